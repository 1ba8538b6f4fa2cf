using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>What holds for every input, tried on random ones; a failure names its seed.</summary>
public sealed class CryptoProperties
{
    // Text as the rules allow it, from every plane and with plenty of short strings.
    private static readonly Gen<string> Text =
        Gen.Frequency(
            (4, Gen.Choose(0x20, 0x7e)), (1, Gen.Choose(1, 0x1f)), (2, Gen.Choose(0xa0, 0x7ff)), (2, Gen.Choose(0x800, 0xd7ff)),
            (1, Gen.Choose(0xe000, 0xfffc)), (1, Gen.Choose(0x10000, 0x10ffff)))
        .Select(char.ConvertFromUtf32).ListOf().Select(string.Concat);

    private static readonly Gen<EncryptionContext> Contexts =
        Gen.Zip(Text.Where(text => text.Length is > 0 and < 60), Text.Where(text => text.Length < 200))
        .ListOf().Select(pairs => EncryptionContext.Create(
            pairs.DistinctBy(pair => pair.Item1).Take(4).Select(pair => KeyValuePair.Create(pair.Item1, pair.Item2))));

    private static readonly Gen<byte[]> Bytes = ArbMap.Default.GeneratorFor<byte[]>();

    [Fact]
    public void A_context_survives_encoding_and_parsing() => Check(Contexts, context =>
        EncryptionContext.TryParse(context.Encoded, out EncryptionContext parsed)
        && parsed.Equals(context)
        && EncryptionContext.Create(parsed.Pairs.Reverse()).Equals(context));

    [Fact]
    public void Whatever_parses_as_a_context_is_its_own_encoding() => Check(Gen.Zip(Contexts, Damage), input =>
    {
        byte[] bytes = Damaged([.. input.Item1.Encoded], input.Item2);
        return !EncryptionContext.TryParse(bytes, out EncryptionContext parsed)
            || (parsed.Encoded.SequenceEqual(bytes) && EncryptionContext.Create(parsed.Pairs).Encoded.SequenceEqual(bytes));
    });

    [Fact]
    public void A_field_opens_with_its_context_and_no_other() => Check(Gen.Zip(Bytes, Gen.Zip(Contexts, Contexts)), input =>
    {
        (byte[] plaintext, (EncryptionContext context, EncryptionContext other)) = input;
        using SecretBuffer key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, KeyVersionId.NewRandom());
        var token = new byte[cipher.TokenLength(plaintext.Length)];
        cipher.Encrypt(context, plaintext, token);
        var opened = new byte[plaintext.Length];
        bool right = cipher.TryDecrypt(context, token, opened) && opened.AsSpan().SequenceEqual(plaintext);
        bool wrong = !context.Equals(other) && cipher.TryDecrypt(other, token, opened);
        return right && !wrong;
    });

    [Fact]
    public void A_field_with_any_bit_flipped_does_not_open() => Check(Gen.Zip(Bytes, Gen.Choose(0, int.MaxValue)), input =>
    {
        (byte[] plaintext, int bit) = input;
        using SecretBuffer key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, [.. Enumerable.Range(0, 16).Select(i => (byte)i)]);
        var token = new byte[cipher.TokenLength(plaintext.Length)];
        cipher.Encrypt(EncryptionContext.Empty, plaintext, token);
        bit %= token.Length * 8;
        token[bit / 8] ^= (byte)(1 << (bit % 8));
        return !cipher.TryDecrypt(EncryptionContext.Empty, token, new byte[plaintext.Length]);
    });

    [Fact]
    public void A_wrapped_data_key_with_any_bit_flipped_does_not_open() => Check(Gen.Choose(0, (WrappedDataKey.Length * 8) - 1), bit =>
    {
        using SecretBuffer kek = SecretBuffer.Random(32);
        using var gcm = new Aes256Gcm(kek.DangerousSpan);
        KeyVersionId version = KeyVersionId.NewRandom();
        var sealedKey = new byte[48];
        byte[] iv = new byte[12];
        gcm.Encrypt(iv, new byte[32], sealedKey.AsSpan(0, 32), sealedKey.AsSpan(32), Aad(version));
        var wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, version, iv, sealedKey);
        wrapped[bit / 8] ^= (byte)(1 << (bit % 8));
        return !WrappedDataKey.TryParse(wrapped, out WrappedDataKey parsed)
            || !gcm.Decrypt(parsed.Iv, parsed.Ciphertext, parsed.Tag, new byte[32], Aad(parsed.VersionId));

        static byte[] Aad(KeyVersionId id) =>
            AssociatedData.ToArray(AadPurpose.DataKeyGeneral, WrappedDataKey.Format, id, [], EncryptionContext.Empty);
    });

    [Fact]
    public void Whatever_parses_as_token_text_formats_to_the_same_text() => Check(Gen.Zip(Bytes, Damage), input =>
    {
        byte[] token = [FieldToken.Format2, .. new byte[56], .. input.Item1];
        char[] text = FieldTokenText.Format(token).ToCharArray();
        text[input.Item2.At % text.Length] = (char)(0x20 + (input.Item2.Value % 0x5f));
        return !FieldTokenText.TryParse(text, out byte[] parsed) || FieldTokenText.Format(parsed) == new string(text);
    });

    [Fact]
    public void An_audit_record_survives_encoding_whatever_its_texts() => Check(Gen.Zip(ArbMap.Default.GeneratorFor<string?>().ArrayOf(6), Text), input =>
    {
        string?[] texts = input.Item1;
        AuditRecord record = AuditRecordTests.Least() with
        {
            Principal = texts[0], Source = texts[1], Key = texts[2], Reason = texts[3], RequestId = texts[4], OnBehalfOf = texts[5], Detail = input.Item2,
        };
        byte[] encoded = record.Encode();
        return AuditRecord.TryParse(encoded, out AuditRecord? parsed) && parsed!.Encode().AsSpan().SequenceEqual(encoded) && parsed == record;
    });

    [Fact]
    public void Whatever_parses_as_an_audit_record_is_its_own_encoding() => Check(Gen.Zip(Text, Damage), input =>
    {
        byte[] bytes = Damaged((AuditRecordTests.Least() with { Detail = input.Item1, ItemCount = 3, Changes = [new AuditRowChange("keys", "a/b", 7, new byte[32])] }).Encode(), input.Item2);
        return !AuditRecord.TryParse(bytes, out AuditRecord? parsed) || parsed!.Encode().AsSpan().SequenceEqual(bytes);
    });

    [Fact]
    public void Both_back_ends_make_the_same_XAES_message() => Check(Gen.Zip(Bytes, Bytes), input =>
    {
        (byte[] plaintext, byte[] aad) = input;
        using SecretBuffer key = SecretBuffer.Random(32);
        using SecretBuffer nonce = SecretBuffer.Random(24);
        using var evp = new XAes256Gcm(key.DangerousSpan, AesBackends.Get("evp"));
        using var bcl = new XAes256Gcm(key.DangerousSpan, AesBackends.Get("bcl"));
        byte[] one = new byte[plaintext.Length], two = new byte[plaintext.Length], tagOne = new byte[16], tagTwo = new byte[16];
        evp.Encrypt(nonce.DangerousSpan, plaintext, one, tagOne, aad);
        bcl.Encrypt(nonce.DangerousSpan, plaintext, two, tagTwo, aad);
        return one.AsSpan().SequenceEqual(two) && tagOne.AsSpan().SequenceEqual(tagTwo)
            && evp.Decrypt(nonce.DangerousSpan, two, tagTwo, one, aad) && one.AsSpan().SequenceEqual(plaintext);
    });

    private readonly record struct Change(int Kind, int At, byte Value);

    private static Gen<Change> Damage =>
        Gen.Zip(Gen.Choose(0, 2), Gen.Zip(Gen.Choose(0, 10_000), Gen.Choose(0, 255)))
            .Select(parts => new Change(parts.Item1, parts.Item2.Item1, (byte)parts.Item2.Item2));

    // One byte overwritten, removed or inserted: near enough to valid bytes that some still parse.
    private static byte[] Damaged(byte[] bytes, Change change)
    {
        var damaged = new List<byte>(bytes);
        int at = change.At % bytes.Length;
        switch (change.Kind)
        {
            case 0:
                damaged[at] = change.Value;
                break;
            case 1:
                damaged.RemoveAt(at);
                break;
            default:
                damaged.Insert(at, change.Value);
                break;
        }
        return [.. damaged];
    }

    private static void Check<T>(Gen<T> inputs, Func<T, bool> holds) =>
        Prop.ForAll(inputs.ToArbitrary(), holds).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
}
