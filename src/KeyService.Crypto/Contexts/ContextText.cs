using System.Text.Unicode;

namespace KeyService.Crypto;

/// <summary>The rule for every text in a context: strict UTF-8, without U+0000 and U+FFFD.</summary>
internal static class ContextText
{
    /// <summary>
    /// U+FFFD is refused because decoders, Protobuf's among them, put it silently where bytes were bad: two different inputs would become
    /// one context. U+0000 is refused because PostgreSQL and C cannot hold it.
    /// </summary>
    internal static bool IsAllowed(ReadOnlySpan<byte> utf8) =>
        Utf8.IsValid(utf8) && !utf8.Contains((byte)0) && utf8.IndexOf("\uFFFD"u8) < 0;
}
