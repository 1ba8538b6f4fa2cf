using System.Text;

namespace KeyService.Crypto.Logs;

/// <summary>
/// A text and signatures on it (C2SP signed-note). docs/spec/audit-log.md. Parsing is strict, and whatever parses serialises to the same
/// bytes. That a note parses says nothing of its signatures: <see cref="NoteVerifier"/> does.
/// </summary>
public sealed class SignedNote
{
    /// <summary>Bytes of a whole note at most, where its kind does not say otherwise.</summary>
    public const int MaxLength = 65_536;

    /// <summary>Signatures at most.</summary>
    public const int MaxSignatures = 64;

    internal const string SignatureStart = "\u2014 ";

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <param name="text">Ends with a newline.</param>
    /// <param name="signatures">One at least.</param>
    public SignedNote(string text, IReadOnlyList<NoteSignature> signatures)
    {
        Text = text;
        Signatures = signatures;
    }

    /// <summary>What is signed, with its last newline.</summary>
    public string Text { get; }

    /// <summary>The bytes that are signed.</summary>
    public byte[] SignedBytes => Utf8.GetBytes(Text);

    /// <summary>The signatures in the order of their lines.</summary>
    public IReadOnlyList<NoteSignature> Signatures { get; }

    /// <summary>The note's bytes.</summary>
    public byte[] ToArray() => Utf8.GetBytes(ToString());

    /// <inheritdoc/>
    public override string ToString() => $"{Text}\n{string.Concat(Signatures)}";

    /// <summary>The same text with further signatures behind those that stand there.</summary>
    public SignedNote With(IEnumerable<NoteSignature> further) => new(Text, [.. Signatures, .. further]);

    /// <summary>False for bad UTF-8, a control character other than newline, no text, no signature, a line that is none, or anything too long.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out SignedNote? note) => TryParse(bytes, MaxLength, out note);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{byte}, out SignedNote?)"/>
    /// <param name="bytes">The whole note.</param>
    /// <param name="maxLength">Bytes at most, of this kind of note.</param>
    /// <param name="note">The note; null when it is none.</param>
    public static bool TryParse(ReadOnlySpan<byte> bytes, int maxLength, out SignedNote? note)
    {
        note = null;
        if (bytes.Length > maxLength || bytes.IsEmpty || bytes[^1] != '\n' || !System.Text.Unicode.Utf8.IsValid(bytes))
        {
            return false;
        }
        foreach (byte each in bytes)
        {
            if (each < 0x20 && each != '\n')
            {
                return false;
            }
        }
        string whole = Utf8.GetString(bytes);
        // The last empty line stands between text and signatures, which are never empty.
        int end = whole.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (end < 0)
        {
            return false;
        }
        string[] lines = whole[(end + 2)..].Split('\n');
        if (lines.Length < 2 || lines.Length - 1 > MaxSignatures)
        {
            return false;
        }
        var signatures = new List<NoteSignature>();
        foreach (string line in lines[..^1])
        {
            if (!NoteSignature.TryParse(line, out NoteSignature? signature))
            {
                return false;
            }
            signatures.Add(signature!);
        }
        note = new SignedNote(whole[..(end + 1)], signatures);
        return true;
    }
}
