using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto;
using QRCoder;

namespace KeyService.Cli.Sessions;

/// <summary>A seed for an authenticator application, on stderr: as a QR code on a terminal, and as the otpauth text to type.</summary>
internal static class SeedPicture
{
    private const int QuietModules = 4;

    public static void Show(OfferedSecondFactor offered)
    {
        var text = OtpauthText(offered);
        try
        {
            using var stderr = Console.OpenStandardError();
            if (Terminal.IsError)
            {
                stderr.Write(Encoding.UTF8.GetBytes(Picture(text)));
            }
            stderr.Write(text);
            stderr.Write("\n"u8);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    /// <summary>The URI that applications take; SHA-1, 6 digits and 30 seconds are what they assume.</summary>
    internal static byte[] OtpauthText(OfferedSecondFactor offered)
    {
        var issuer = Uri.EscapeDataString(offered.Issuer);
        var before = Encoding.ASCII.GetBytes($"otpauth://totp/{issuer}:{Uri.EscapeDataString(offered.Account)}?secret=");
        var after = Encoding.ASCII.GetBytes($"&issuer={issuer}&algorithm=SHA1&digits={OneTimePassword.Digits}&period={OneTimePassword.Step.TotalSeconds:0}");
        var letters = Base32.LengthOf(offered.Seed.Length);
        var text = new byte[before.Length + letters + after.Length];
        before.CopyTo(text, 0);
        Base32.Encode(offered.Seed.DangerousSpan, text.AsSpan(before.Length, letters));
        after.CopyTo(text, before.Length + letters);
        return text;
    }

    // Two rows of modules a line, by half blocks, black on white whatever the terminal's colours are.
    private static string Picture(byte[] text)
    {
        using var data = QRCodeGenerator.GenerateQrCode(text, QRCodeGenerator.ECCLevel.L);
        var modules = data.ModuleMatrix;
        var picture = new StringBuilder();
        var first = QuietModules - 2;
        for (var row = first; row < modules.Count - first; row += 2)
        {
            picture.Append("\e[30;47m");
            for (var column = first; column < modules.Count - first; column++)
            {
                var upper = modules[row][column];
                var lower = row + 1 < modules.Count && modules[row + 1][column];
                picture.Append((upper, lower) switch { (true, true) => '█', (true, false) => '▀', (false, true) => '▄', _ => ' ' });
            }
            picture.Append("\e[0m\n");
        }
        return picture.ToString();
    }
}
