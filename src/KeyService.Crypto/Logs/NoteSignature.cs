namespace KeyService.Crypto.Logs;

/// <summary>One signature line of a note.</summary>
/// <param name="KeyName">Not empty, without Unicode spaces and '+'.</param>
/// <param name="KeyId">First four bytes of a hash over the key, big-endian; finds the key and proves nothing.</param>
/// <param name="Signature">At least one byte; its form is the algorithm's.</param>
public sealed record NoteSignature(string KeyName, uint KeyId, ReadOnlyMemory<byte> Signature)
{
    /// <summary>The line, with its newline.</summary>
    public override string ToString()
    {
        byte[] bytes = new byte[4 + Signature.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes, KeyId);
        Signature.Span.CopyTo(bytes.AsSpan(4));
        return $"{SignedNote.SignatureStart}{KeyName} {Convert.ToBase64String(bytes)}\n";
    }

    /// <summary>Whether a name may be that of a key.</summary>
    public static bool IsKeyName(string name) => name.Length > 0 && !name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c == '+');

    /// <summary>Reads a line without its newline.</summary>
    internal static bool TryParse(string line, out NoteSignature? signature)
    {
        signature = null;
        if (!line.StartsWith(SignedNote.SignatureStart, StringComparison.Ordinal))
        {
            return false;
        }
        string rest = line[SignedNote.SignatureStart.Length..];
        int space = rest.IndexOf(' ', StringComparison.Ordinal);
        if (space <= 0 || !IsKeyName(rest[..space]) || !StrictBase64.TryDecode(rest[(space + 1)..], out byte[] bytes) || bytes.Length < 5)
        {
            return false;
        }
        signature = new NoteSignature(rest[..space], System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes), bytes.AsMemory(4));
        return true;
    }
}
