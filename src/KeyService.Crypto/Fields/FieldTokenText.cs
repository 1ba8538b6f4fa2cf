using System.Buffers;
using System.Buffers.Text;

namespace KeyService.Crypto;

/// <summary>
/// The text form of a field token, for columns that hold text: <c>ks1.</c> and base64url (RFC 4648 section 5) without padding.
/// Parsing is strict: no white space, no padding, no bits set beyond the last byte; what parses formats to the same text. docs/spec/field-token.md.
/// </summary>
public static class FieldTokenText
{
    /// <summary>How every text form begins.</summary>
    public const string Prefix = "ks1.";

    private static readonly SearchValues<char> Alphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    /// <summary>Characters of the text form of a token of <paramref name="tokenLength"/> bytes.</summary>
    public static int Length(int tokenLength) => Prefix.Length + Base64Url.GetEncodedLength(tokenLength);

    /// <summary>The text form.</summary>
    /// <exception cref="ArgumentException">The bytes are not a field token.</exception>
    public static string Format(ReadOnlySpan<byte> token)
    {
        if (!FieldToken.TryParse(token, out _))
        {
            throw new ArgumentException("Not a field token.", nameof(token));
        }
        return string.Concat(Prefix, Base64Url.EncodeToString(token));
    }

    /// <summary>Parses a text form whose bytes are a field token.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out byte[] token)
    {
        token = [];
        if (!text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return false;
        }
        ReadOnlySpan<char> encoded = text[Prefix.Length..];
        // The decoder of the BCL forgives white space, padding and stray bits. The alphabet is checked here and the rest by encoding back.
        if (encoded.IndexOfAnyExcept(Alphabet) >= 0 || encoded.Length % 4 == 1)
        {
            return false;
        }
        byte[] decoded = Decode(encoded);
        if (!FieldToken.TryParse(decoded, out _) || !encoded.SequenceEqual(Base64Url.EncodeToString(decoded)))
        {
            return false;
        }
        token = decoded;
        return true;
    }

    private static byte[] Decode(ReadOnlySpan<char> encoded)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(encoded.Length)];
        // The Try… form throws on some bad input; this one says so.
        return Base64Url.DecodeFromChars(encoded, bytes, out _, out int written) == OperationStatus.Done ? bytes[..written] : [];
    }
}
