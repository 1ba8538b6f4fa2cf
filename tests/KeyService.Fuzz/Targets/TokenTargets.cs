using System.Text;
using KeyService.Crypto;
using KeyService.Fuzz.Engine;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>Field token in both forms, wrapped data key, key blob, key-version id.</summary>
internal static class TokenTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("field-token", [typeof(FieldToken)], Token)
        {
            Words = [[0x11], [0x12], new byte[8]], Verdict = TokenVerdict,
            Seeds = () => VectorSeeds.Hex("field-token", "token", "positive", "doesNotOpen", "malformed").Where(seed => seed.Input.Length < 4096),
        },
        new("field-token-text", [typeof(FieldTokenText)], TokenText)
        {
            MaxLength = 1024, Words = ["ks1."u8.ToArray(), "="u8.ToArray(), "+"u8.ToArray(), "/"u8.ToArray(), "\n"u8.ToArray(), "AAAA"u8.ToArray()], Verdict = TokenTextVerdict,
            Seeds = () => VectorSeeds.Text("field-token", "text", "positive", "malformedText").Where(seed => seed.Input.Length < 1024),
        },
        new("wrapped-data-key", [typeof(WrappedDataKey)], Wrapped)
        {
            MaxLength = 256, Words = [[0x01], new byte[8]], Verdict = WrappedVerdict,
            Seeds = () => VectorSeeds.Hex("wrapped-data-key", "wrapped", "positive", "doesNotOpen", "malformed"),
        },
        new("key-blob", [typeof(KeyBlob)], Blob)
        {
            MaxLength = 640, Words = [[0x01], [0x02]], Verdict = BlobVerdict,
            Seeds = () => VectorSeeds.Hex("key-blob", "rootBlob", "positive").Concat(VectorSeeds.Hex("key-blob", "blob", "malformed", "sealed", "notSealed")),
        },
        new("key-version-id", [typeof(KeyVersionId)], VersionId)
        {
            MaxLength = 64, Words = ["0000000000000000"u8.ToArray(), "0x"u8.ToArray(), "A"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("0123456789abcdef", "0000000000000000", "ffffffffffffffff", "0123456789ABCDEF", "+123456789abcdef", " 123456789abcdef", ""),
        },
    ];

    private static Outcome Token(byte[] input)
    {
        if (!FieldToken.TryParse(input, out FieldToken token))
        {
            return Outcome.Refused(input.Length == 0 ? -1 : input[0] is FieldToken.Format1 or FieldToken.Format2 ? input[0] : 0);
        }
        byte[] id = token.DataKeyId.ToArray();
        if (token.Format == FieldToken.Format1)
        {
            id = new byte[KeyVersionId.Length];
            token.VersionId.WriteTo(id);
        }
        UnlessSame(input, [token.Format, .. id, .. token.Nonce, .. token.Ciphertext, .. token.Tag], "the parts make the same bytes");
        Unless(token.PlaintextLength == token.Ciphertext.Length, "the plaintext is as long as the ciphertext");
        Unless(FieldTokenText.TryParse(FieldTokenText.Format(input), out byte[] again) && again.AsSpan().SequenceEqual(input), "its text form leads back to it");
        return Outcome.Taken((token.Format * 64) + Outcome.Step(token.PlaintextLength));
    }

    private static string TokenVerdict(byte[] input) => FieldToken.TryParse(input, out _) ? $"ok {Convert.ToHexStringLower(input)}" : "no";

    private static Outcome TokenText(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!FieldTokenText.TryParse(text, out byte[] token))
        {
            Unless(token.Length == 0, "what is refused gives no bytes");
            return Outcome.Refused(text.StartsWith(FieldTokenText.Prefix, StringComparison.Ordinal) ? 1 + (text.Length % 4) : 0);
        }
        Unless(FieldTokenText.Format(token) == text, "what parses formats to the same text");
        Unless(FieldTokenText.Length(token.Length) == text.Length, "the length is the one foretold");
        return Outcome.Taken(token[0] + (64 * (token.Length % 3)));
    }

    private static string TokenTextVerdict(byte[] input) =>
        FieldTokenText.TryParse(Encoding.UTF8.GetString(input), out byte[] token) ? $"ok {Convert.ToHexStringLower(token)}" : "no";

    private static Outcome Wrapped(byte[] input)
    {
        if (!WrappedDataKey.TryParse(input, out WrappedDataKey key))
        {
            return Outcome.Refused(input.Length.CompareTo(WrappedDataKey.Length));
        }
        var again = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(again, key.VersionId, key.Iv, key.CiphertextAndTag);
        UnlessSame(input, again, "the parts make the same bytes");
        UnlessSame(key.CiphertextAndTag, [.. key.Ciphertext, .. key.Tag], "ciphertext and tag stand side by side");
        return Outcome.Taken();
    }

    private static string WrappedVerdict(byte[] input) => WrappedDataKey.TryParse(input, out _) ? $"ok {Convert.ToHexStringLower(input)}" : "no";

    private static Outcome Blob(byte[] input)
    {
        bool isSealed = IsSealed(input);
        try
        {
            byte[] parsed = Parse(input);
            UnlessSame(input, isSealed ? KeyBlob.FromSealed(parsed, parsed.Length) : KeyBlob.FromWrapped(parsed), "what parses is made again");
            return Outcome.Taken(isSealed ? 1 : 0);
        }
        catch (HsmException e)
        {
            Unless(e.Fault == HsmFault.IntegrityFailure, "a bad blob is a failure of integrity");
            return isSealed ? Outcome.Refused(2 + (input.Length > KeyBlob.MaxSealedLength ? 1 : 0)) : Outcome.Refused(input.Length.CompareTo(KeyBlob.Length));
        }
    }

    private static string BlobVerdict(byte[] input)
    {
        try
        {
            return $"ok {Convert.ToHexStringLower(Parse(input))}";
        }
        catch (HsmException)
        {
            return "no";
        }
    }

    private static bool IsSealed(byte[] input) => input is [KeyBlob.RsaOaep, ..];

    private static byte[] Parse(byte[] input) => IsSealed(input) ? KeyBlob.ToSealed(input, "A key") : KeyBlob.ToWrapped(input, "a key");

    private static Outcome VersionId(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!KeyVersionId.TryParse(text, out KeyVersionId id))
        {
            Unless(id == KeyVersionId.None, "what is refused gives no id");
            return Outcome.Refused(text.Length.CompareTo(KeyVersionId.TextLength));
        }
        Unless(id.ToString() == text && id != KeyVersionId.None, "what parses formats to the same text");
        return Outcome.Taken();
    }
}
