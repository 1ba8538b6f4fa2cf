using System.Security.Cryptography;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

public sealed class NoteSignatureTests
{
    [Fact]
    public void Ed25519_is_that_of_RFC_8032()
    {
        // Section 7.1, tests 1 and 3.
        (string Seed, string Key, string Message, string Signature)[] tests =
        [
            ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
            ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
        ];
        foreach (var (seed, key, message, signature) in tests)
        {
            Assert.Equal(key, Convert.ToHexStringLower(Ed25519.PublicKey(Convert.FromHexString(seed))));
            Assert.Equal(signature, Convert.ToHexStringLower(Ed25519.Sign(Convert.FromHexString(seed), Convert.FromHexString(message))));
            Assert.True(Ed25519.Verify(Convert.FromHexString(key), Convert.FromHexString(message), Convert.FromHexString(signature)));
            Assert.False(Ed25519.Verify(Convert.FromHexString(key), [1, .. Convert.FromHexString(message)], Convert.FromHexString(signature)));
        }
        Assert.False(Ed25519.Verify(new byte[31], [], new byte[64]));
        Assert.False(Ed25519.Verify(new byte[32], [], new byte[63]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Ed25519.Sign(new byte[31], []));
    }

    [Fact]
    public void What_ECDSA_signs_verifies_with_either_s_made_the_smaller()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NoteVerifier verifier = NoteVerifier.Create("a/log", NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo());
        for (int i = 0; i < 40; i++)
        {
            string text = $"line {i}\n";
            SignedNote note = EcdsaNoteSignature.Sign(text, verifier, key.SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
            Assert.True(verifier.Signed(note));
            Assert.True(SignedNote.TryParse(note.ToArray(), out SignedNote? parsed) && verifier.Signed(parsed!));
            Assert.False(verifier.Signed(new SignedNote(text + "x\n", note.Signatures)));
        }
    }

    [Fact]
    public void Every_changed_bit_of_a_signed_checkpoint_spoils_it()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NoteVerifier log = NoteVerifier.Create("keyservice/x/directory", NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo());
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        NoteVerifier witness = NoteVerifier.Create("w", NoteAlgorithm.Cosignature, Ed25519.PublicKey(seed));
        string text = new Checkpoint(log.Name, 7, new byte[32]).ToString();
        SignedNote note = EcdsaNoteSignature.Sign(text, log, key.SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
        note = note.With([Cosignature.Sign(text, witness, seed, 1_764_316_800)]);
        Assert.True(log.Signed(note) && witness.Signed(note));
        Assert.Equal(1_764_316_800, Cosignature.TimeOf(note.Signatures[1]).ToUnixTimeSeconds());
        byte[] bytes = note.ToArray();
        for (int bit = 0; bit < 8 * bytes.Length; bit++)
        {
            byte[] changed = [.. bytes];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(SignedNote.TryParse(changed, out SignedNote? parsed) && log.Signed(parsed!) && witness.Signed(parsed!), $"bit {bit}");
        }
    }

    [Fact]
    public void A_key_under_another_name_signs_for_another_log()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        NoteVerifier one = NoteVerifier.Create("k/slot/0", NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo());
        NoteVerifier other = one.Named("k/slot/1");
        Assert.Equal(one.Id, other.Id);
        string text = "x\n";
        SignedNote note = EcdsaNoteSignature.Sign(text, one, key.SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
        Assert.True(one.Signed(note));
        Assert.False(other.Signed(note));
        Assert.Throws<ArgumentException>(() => one.Named("a b"));
    }

    [Fact]
    public void Names_of_logs_are_read_back()
    {
        LogNames names = LogNames.Of([.. Enumerable.Range(0, 16).Select(i => (byte)(i * 16))]);
        Assert.Equal("keyservice/00102030405060708090a0b0c0d0e0f0/slot/3", names.Slot(3));
        Assert.True(LogNames.TryParse(names.Installation, out LogNames? read) && read == names);
        Assert.False(LogNames.TryParse(names.Directory, out _));
        Assert.False(LogNames.TryParse(names.Installation.ToUpperInvariant(), out _));
    }
}
