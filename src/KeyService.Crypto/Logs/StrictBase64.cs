namespace KeyService.Crypto.Logs;

/// <summary>RFC 4648, 4, in its one canonical form: padded, no white space, no stray bits behind the last byte.</summary>
internal static class StrictBase64
{
    internal static bool TryDecode(string text, out byte[] bytes)
    {
        bytes = new byte[text.Length / 4 * 3];
        if (text.Length % 4 != 0 || !Convert.TryFromBase64String(text, bytes, out int length))
        {
            bytes = [];
            return false;
        }
        bytes = bytes[..length];
        return Convert.ToBase64String(bytes) == text;
    }

    /// <summary>A hash of 32 bytes.</summary>
    internal static bool TryDecodeHash(string text, out byte[] hash) => TryDecode(text, out hash) && hash.Length == MerkleHash.Length;
}
