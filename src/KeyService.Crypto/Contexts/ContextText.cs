using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>The rule for every text in a context: strict UTF-8, without U+0000 and U+FFFD.</summary>
internal static class ContextText
{
    /// <summary>
    /// U+FFFD is refused because decoders, Protobuf's among them, put it silently where bytes were bad: two different inputs would become
    /// one context. U+0000 is refused because PostgreSQL and C cannot hold it.
    /// </summary>
    internal static bool IsAllowed(ReadOnlySpan<byte> utf8) => Utf8.IsValid(utf8) && !HasForbidden(utf8);

    /// <summary>For bytes that are known to be valid UTF-8.</summary>
    internal static bool HasForbidden(ReadOnlySpan<byte> utf8)
    {
        // One pass for nearly every text there is: neither byte occurs.
        int suspect = utf8.IndexOfAny((byte)0x00, (byte)0xef);
        return suspect >= 0 && (utf8.Contains((byte)0x00) || utf8[suspect..].IndexOf("\uFFFD"u8) >= 0);
    }
}
