using System.Security.Cryptography;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;
using KeyService.Crypto.Shares;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Shares;

/// <summary>SLIP-39: the standard's vectors, and what must hold of every secret that is split here.</summary>
public sealed class SecretSharingTests
{
    private const string File = "slip39.json";

    private static readonly byte[] Passphrase = System.Text.Encoding.ASCII.GetBytes(Vectors.Load(File).Text("passphrase"));

    [Fact]
    public void Every_vector_comes_out()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            using SecretBuffer? secret = Combine(vector, out string refused);
            Assert.True(secret is not null, $"{vector.Text("name")}: {refused}");
            Assert.Equal(vector.Bytes("secret"), secret.DangerousSpan.ToArray());
        }
    }

    [Fact]
    public void What_must_be_refused_is()
    {
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            using SecretBuffer? secret = Combine(vector, out string refused);
            Assert.True(secret is null, vector.Text("name"));
            // By what the standard's name for the vector says it is about.
            string name = vector.Text("name");
            string expected = name switch
            {
                _ when name.Contains("checksum", StringComparison.Ordinal) => "Checksum",
                _ when name.Contains("padding", StringComparison.Ordinal) => "Malformed",
                _ when name.Contains("greater group threshold", StringComparison.Ordinal) => "Malformed",
                _ when name.Contains("length", StringComparison.Ordinal) => "Length",
                _ when name.Contains("duplicate", StringComparison.Ordinal) => "Duplicate",
                _ when name.Contains("digest", StringComparison.Ordinal) => "Digest",
                _ when name.Contains("different", StringComparison.Ordinal) || name.Contains("mismatching", StringComparison.Ordinal) => "OtherSet",
                _ => "TooFew",
            };
            Assert.Equal((name, expected), (name, refused));
        }
    }

    [Fact]
    public void Every_quorum_gives_the_secret_and_fewer_give_nothing()
    {
        foreach (var (threshold, count, length) in new[] { (1, 1, 16), (2, 2, 32), (2, 3, 16), (3, 5, 32), (5, 5, 64), (16, 16, 32), (7, 7, 18) })
        {
            byte[] secret = RandomNumberGenerator.GetBytes(length);
            IReadOnlyList<Share> shares = SecretSharing.Split(secret, threshold, count, "pass"u8, iterationExponent: 0);
            Assert.Equal(count, shares.Count);
            for (int chosen = 1; chosen < 1 << count; chosen += count > 7 ? 997 : 1)
            {
                List<Share> some = [.. Enumerable.Range(0, count).Where(i => (chosen >> i & 1) != 0).Reverse().Select(i => shares[i])];
                using SecretBuffer? found = SecretSharing.Combine(some, "pass"u8, out ShareFault fault, out _);
                Assert.Equal(some.Count >= threshold ? ShareFault.None : ShareFault.TooFew, fault);
                Assert.Equal(some.Count >= threshold, found is not null && found.DangerousSpan.SequenceEqual(secret));
            }

            using SecretBuffer? all = SecretSharing.Combine(shares, "pass"u8, out _, out _);
            Assert.Equal(secret, all!.DangerousSpan.ToArray());
            using SecretBuffer? other = SecretSharing.Combine(shares, "Pass"u8, out _, out _);
            Assert.NotEqual(secret, other!.DangerousSpan.ToArray());
            Assert.Single(shares.Select(share => share.Set).Distinct());
            Dispose(shares);
        }
    }

    [Fact]
    public void Every_changed_word_of_every_share_is_found()
    {
        IReadOnlyList<Share> shares = SecretSharing.Split(RandomNumberGenerator.GetBytes(32), 3, 5, iterationExponent: 0);
        foreach (Share share in shares)
        {
            ushort[] words = WordsOf(share);
            for (int at = 0; at < words.Length; at++)
            {
                for (int other = 1; other < ShareWordList.Count; other++)
                {
                    words[at] ^= (ushort)other;
                    Assert.False(Share.TryParse(words, out _, out ShareFault fault));
                    Assert.Equal(ShareFault.Checksum, fault);
                    words[at] ^= (ushort)other;
                }
            }

            // Neighbours that changed places, and a word left out or said twice.
            for (int at = 1; at < words.Length; at++)
            {
                if (words[at] != words[at - 1])
                {
                    (words[at], words[at - 1]) = (words[at - 1], words[at]);
                    Assert.False(Share.TryParse(words, out _, out _));
                    (words[at], words[at - 1]) = (words[at - 1], words[at]);
                }

                Assert.False(Share.TryParse([.. words[..at], .. words[(at + 1)..]], out _, out _));
                Assert.False(Share.TryParse([.. words[..at], words[at], .. words[at..]], out _, out _));
            }

            words[3] = ShareWordList.Count;
            Assert.False(Share.TryParse(words, out _, out ShareFault unknown));
            Assert.Equal(ShareFault.Word, unknown);
        }

        Dispose(shares);
    }

    [Fact]
    public void One_wrong_word_is_located_wherever_it_stands()
    {
        IReadOnlyList<Share> shares = SecretSharing.Split(RandomNumberGenerator.GetBytes(32), 2, 2, iterationExponent: 0);
        ushort[] words = WordsOf(shares[0]);
        Assert.Null(MistypedWord.Find(words));
        for (int at = 0; at < words.Length; at++)
        {
            ushort right = words[at];
            words[at] = (ushort)(right ^ (1 + RandomNumberGenerator.GetInt32(ShareWordList.Count - 1)));
            Assert.Equal(new MistypedWord(at, right), MistypedWord.Find(words));
            words[at] = right;
        }

        words[5] = ShareWordList.Count;
        Assert.Null(MistypedWord.Find(words));
        Assert.Null(MistypedWord.Find([]));
        Dispose(shares);
    }

    [Fact]
    public void A_share_that_was_altered_with_a_right_checksum_is_found_and_beyond_the_threshold_named()
    {
        byte[] secret = RandomNumberGenerator.GetBytes(32);
        IReadOnlyList<Share> shares = SecretSharing.Split(secret, 3, 5, iterationExponent: 0);
        using Share altered = new(shares[1].Set, 0, 1, 3, SecretBuffer.Random(32));
        Assert.Null(SecretSharing.Combine([shares[0], altered, shares[4]], default, out ShareFault fault, out int at));
        Assert.Equal((ShareFault.Digest, -1), (fault, at));
        Assert.Null(SecretSharing.Combine([shares[0], shares[2], shares[4], altered], default, out fault, out at));
        Assert.Equal((ShareFault.Digest, 3), (fault, at));

        IReadOnlyList<Share> foreign = SecretSharing.Split(secret, 3, 5, iterationExponent: 0);
        if (foreign[0].Set != shares[0].Set)
        {
            Assert.Null(SecretSharing.Combine([shares[0], shares[1], foreign[2]], default, out fault, out at));
            Assert.Equal((ShareFault.OtherSet, 2), (fault, at));
        }

        Assert.Null(SecretSharing.Combine([shares[0], shares[1], shares[0]], default, out fault, out at));
        Assert.Equal((ShareFault.Duplicate, 2), (fault, at));
        Assert.Null(SecretSharing.Combine([], default, out fault, out _));
        Assert.Equal(ShareFault.TooFew, fault);
        Dispose([.. shares, .. foreign]);
    }

    [Fact]
    public void Whatever_parses_is_written_as_the_same_words() => Prop.ForAll(
        Gen.Choose(8, 32).SelectMany(pairs => Gen.Choose(0, 255).ListOf(2 * pairs).SelectMany(value => Gen.Choose(0, (1 << 28) - 1).Select(fields => (value, fields)))).ToArbitrary(),
        given =>
        {
            var (value, fields) = given;
            int count = (fields & 15) + 1;
            int threshold = ((fields >> 4 & 15) % count) + 1;
            var set = new ShareSetParameters(fields >> 13, (fields >> 12 & 1) != 0, fields >> 8 & 15, threshold, count);
            using var share = new Share(set, (fields >> 20 & 15) % count, fields >> 24 & 15, (fields >> 16 & 15) + 1, SecretBuffer.CopyOf([.. value.Select(each => (byte)each)]));
            ushort[] words = WordsOf(share);
            Assert.True(Share.TryParse(words, out Share? read, out ShareFault fault), $"{fault}");
            Assert.Equal((set, share.GroupIndex, share.MemberIndex, share.MemberThreshold), (read!.Set, read.GroupIndex, read.MemberIndex, read.MemberThreshold));
            Assert.Equal(words, WordsOf(read));
            // Exactly what may be said of a share: of its value nothing.
            Assert.Equal($"Share({set.Identifier}, group {share.GroupIndex}, member {share.MemberIndex})", share.ToString());
            read.Dispose();
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(14, 2, 3)]
    [InlineData(17, 2, 3)]
    [InlineData(66, 2, 3)]
    [InlineData(32, 0, 1)]
    [InlineData(32, 1, 2)]
    [InlineData(32, 4, 3)]
    [InlineData(32, 2, 17)]
    public void What_cannot_be_split_is_refused(int length, int threshold, int count) =>
        Assert.ThrowsAny<ArgumentOutOfRangeException>(() => SecretSharing.Split(new byte[length], threshold, count));

    [Fact]
    public void Words_are_found_whole_and_by_their_first_four_letters()
    {
        for (ushort number = 0; number < ShareWordList.Count; number++)
        {
            string word = ShareWordList.At(number);
            Assert.True(ShareWordList.TryFind(word, out ushort found) && found == number);
            Assert.True(ShareWordList.TryFind(word.AsSpan(0, 4), out found) && found == number);
            Assert.False(ShareWordList.TryFind(word.ToUpperInvariant(), out _));
            Assert.True(word.Length == 4 || !ShareWordList.TryFind($"{word.AsSpan(0, word.Length - 1)}q", out _));
        }

        Assert.False(ShareWordList.TryFind("", out _));
        Assert.False(ShareWordList.TryFind("aca", out _));
    }

    [Fact]
    public void The_field_is_one()
    {
        for (int a = 0; a < 256; a++)
        {
            Assert.Equal(a == 0 ? 0 : 1, GaloisField.Multiply((byte)a, GaloisField.Invert((byte)a)));
            for (int b = 0; b < 256; b++)
            {
                byte product = GaloisField.Multiply((byte)a, (byte)b);
                Assert.Equal(product, GaloisField.Multiply((byte)b, (byte)a));
                Assert.Equal(GaloisField.Multiply((byte)a, (byte)(b ^ 0x35)), (byte)(product ^ GaloisField.Multiply((byte)a, 0x35)));
            }
        }

        // FIPS 197, 4.2.
        Assert.Equal(0xC1, GaloisField.Multiply(0x57, 0x83));
    }

    private static SecretBuffer? Combine(JsonObject vector, out string refused)
    {
        var shares = new List<Share>();
        foreach (JsonNode? text in vector["shares"]!.AsArray())
        {
            ushort[] words = [.. text!.GetValue<string>().Split(' ').Select(word => ShareWordList.TryFind(word, out ushort number) ? number : ushort.MaxValue)];
            if (!Share.TryParse(words, out Share? share, out ShareFault malformed))
            {
                refused = $"{malformed}";
                return null;
            }

            Assert.Equal(words, WordsOf(share!));
            shares.Add(share!);
        }

        SecretBuffer? secret = SecretSharing.Combine(shares, Passphrase, out ShareFault fault, out _);
        refused = $"{fault}";
        Dispose(shares);
        return secret;
    }

    private static ushort[] WordsOf(Share share)
    {
        var words = new ushort[share.WordCount];
        share.WriteWords(words);
        return words;
    }

    private static void Dispose(IEnumerable<Share> shares)
    {
        foreach (Share share in shares)
        {
            share.Dispose();
        }
    }
}
