using System.Security.Cryptography;

namespace KeyService.Cli.Sessions;

/// <summary>Lines that nobody else should see: from the terminal without an echo, or from stdin. Blanks are left out.</summary>
internal sealed class SecretInput : IDisposable
{
    private const int LongestLine = 64;
    private readonly Stream? input;

    private SecretInput(Stream? input) => this.input = input;

    public static SecretInput Open() => new(Console.IsInputRedirected ? Console.OpenStandardInput() : null);

    /// <summary>The next line; the caller zeroes it. What is longer than 64 characters is cut.</summary>
    /// <param name="prompt">Shown on a terminal.</param>
    public byte[] ReadLine(string prompt)
    {
        Span<byte> line = stackalloc byte[LongestLine];
        var count = input is null ? ReadKeys(line, prompt) : ReadStream(line, input);
        var read = line[..count].ToArray();
        CryptographicOperations.ZeroMemory(line);
        return read;
    }

    public void Dispose() => input?.Dispose();

    private static int ReadStream(Span<byte> line, Stream input)
    {
        var count = 0;
        while (input.ReadByte() is >= 0 and not '\n' and var next)
        {
            Take(line, ref count, (char)next);
        }
        return count;
    }

    private static int ReadKeys(Span<byte> line, string prompt)
    {
        Console.Error.Write(prompt);
        var count = 0;
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                count = Math.Max(0, count - 1);
            }
            else
            {
                Take(line, ref count, key.KeyChar);
            }
        }
        Console.Error.WriteLine();
        return count;
    }

    private static void Take(Span<byte> line, ref int count, char next)
    {
        if (!char.IsWhiteSpace(next) && count < line.Length)
        {
            line[count++] = next < 0x80 ? (byte)next : (byte)'?';
        }
    }
}
