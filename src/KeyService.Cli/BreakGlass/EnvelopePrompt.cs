using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Sessions;

namespace KeyService.Cli.BreakGlass;

/// <summary>Reads the codes of both envelopes: from the terminal without showing them, otherwise the first two lines of stdin.</summary>
internal static class EnvelopePrompt
{
    private const int Letters = 26;

    public static (byte[] First, byte[] Second) Read()
    {
        using var input = SecretInput.Open();
        var first = Code(input.ReadLine("First code: "));
        try
        {
            return (first, Code(input.ReadLine("Second code: ")));
        }
        catch
        {
            CryptographicOperations.ZeroMemory(first);
            throw;
        }
    }

    // On paper there are groups, and people write small letters.
    private static byte[] Code(byte[] line)
    {
        Span<byte> code = stackalloc byte[Letters];
        var count = 0;
        foreach (var letter in line)
        {
            if (letter is (byte)'-')
            {
                continue;
            }
            var upper = letter is >= (byte)'a' and <= (byte)'z' ? (byte)(letter - 32) : letter;
            if (upper is not (>= (byte)'A' and <= (byte)'Z' or >= (byte)'2' and <= (byte)'7') || count == Letters)
            {
                count = -1;
                break;
            }
            code[count++] = upper;
        }
        CryptographicOperations.ZeroMemory(line);
        var whole = count == Letters ? code.ToArray() : null;
        CryptographicOperations.ZeroMemory(code);
        return whole ?? throw CliError.Usage($"That is no code of an envelope: it has {Letters} letters and digits.", "Type it as it is printed, with or without the dashes.");
    }
}
