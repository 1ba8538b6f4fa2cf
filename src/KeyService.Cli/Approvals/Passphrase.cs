using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Approvals;

/// <summary>A passphrase, typed without being shown or read from a file descriptor; never an argument, and gone after its use.</summary>
internal sealed class Passphrase : IDisposable
{
    private const int MaxLength = 1024;
    private readonly char[] characters = GC.AllocateArray<char>(MaxLength, pinned: true);
    private int length;

    private Passphrase()
    {
    }

    public ReadOnlySpan<char> Characters => characters.AsSpan(0, length);

    /// <param name="descriptor">Where its one line stands; null asks at the terminal.</param>
    /// <param name="twice">Asks again, for a new one.</param>
    public static Passphrase Read(int? descriptor, string what, bool twice)
    {
        if (descriptor is { } number)
        {
            return FromDescriptor(number);
        }
        var typed = Typed($"Passphrase {what}: ");
        if (twice)
        {
            using var again = Typed("Again: ");
            if (!typed.Characters.SequenceEqual(again.Characters))
            {
                typed.Dispose();
                throw CliError.Usage("The two passphrases differ.", "Start again.");
            }
        }
        return typed;
    }

    /// <summary>What was read already, of a rehearsal.</summary>
    public static Passphrase Of(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > MaxLength)
        {
            throw CliError.Usage($"A passphrase has 1 to {MaxLength} characters.", "Type it again.");
        }
        var passphrase = new Passphrase();
        text.CopyTo(passphrase.characters);
        passphrase.length = text.Length;
        return passphrase;
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(characters.AsSpan()));

    private static Passphrase FromDescriptor(int descriptor)
    {
        var passphrase = new Passphrase();
        var bytes = GC.AllocateArray<byte>(MaxLength, pinned: true);
        try
        {
            using var stream = new FileStream($"/dev/fd/{descriptor.ToString(CultureInfo.InvariantCulture)}", FileMode.Open, FileAccess.Read,
                FileShare.ReadWrite, bufferSize: 0);
            var read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            var line = bytes.AsSpan(0, read);
            line = line.IndexOf((byte)'\n') is var end and >= 0 ? line[..end] : line;
            passphrase.length = Encoding.UTF8.GetChars(line, passphrase.characters);
            return passphrase.length > 0 ? passphrase : throw CliError.Usage($"Descriptor {descriptor} holds no passphrase.",
                "Write it there as one line.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliError.Usage($"Descriptor {descriptor} cannot be read.", "Open it for the command, for example 3<FILE with --passphrase-fd 3.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static Passphrase Typed(string prompt)
    {
        if (Console.IsInputRedirected)
        {
            throw CliError.Usage("There is no terminal to type a passphrase at.", "Name a file descriptor with --passphrase-fd.");
        }
        Console.Error.Write(prompt);
        var passphrase = new Passphrase();
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                passphrase.length = Math.Max(0, passphrase.length - 1);
            }
            else if (!char.IsControl(key.KeyChar) && passphrase.length < MaxLength)
            {
                passphrase.characters[passphrase.length++] = key.KeyChar;
            }
        }
        Console.Error.WriteLine();
        return passphrase;
    }
}
