using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Crypto;

namespace KeyService.Cli.Sessions;

/// <summary>
/// Reads a code of the second factor: from the terminal without showing it, otherwise the first line of stdin. Never an argument, which other users of
/// the machine could see.
/// </summary>
internal static class CodePrompt
{
    private const int LongestLine = 64;

    /// <summary>6 ASCII digits; blanks between them, as applications show them, are left out.</summary>
    public static byte[] Read()
    {
        Span<byte> digits = stackalloc byte[LongestLine];
        var count = Console.IsInputRedirected ? ReadLine(digits) : ReadKeys(digits);
        try
        {
            return OneTimePassword.TryParse(digits[..count], out _)
                ? digits[..count].ToArray()
                : throw CliError.Usage(
                    $"That is no code: it has {OneTimePassword.Digits} digits.", "Give the one that the authenticator application shows, on the terminal or in the first line of stdin.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(digits);
        }
    }

    private static int ReadLine(Span<byte> digits)
    {
        using var input = Console.OpenStandardInput();
        var count = 0;
        while (input.ReadByte() is >= 0 and not '\n' and var next)
        {
            Take(digits, ref count, (char)next);
        }
        return count;
    }

    private static int ReadKeys(Span<byte> digits)
    {
        Console.Error.Write("Code: ");
        var count = 0;
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                count = Math.Max(0, count - 1);
            }
            else
            {
                Take(digits, ref count, key.KeyChar);
            }
        }
        Console.Error.WriteLine();
        return count;
    }

    private static void Take(Span<byte> digits, ref int count, char next)
    {
        if (!char.IsWhiteSpace(next) && count < digits.Length)
        {
            digits[count++] = next < 0x80 ? (byte)next : (byte)'?';
        }
    }
}
