using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Ceremonies;

/// <summary>docs/spec/transcript.md.</summary>
public sealed class TranscriptVectorTests
{
    private const string File = "transcript.json";
    private static readonly DateTimeOffset Start = new(2026, 12, 1, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Transcripts_parse_are_written_again_and_judged()
    {
        foreach (JsonObject vector in Vectors.List(File, "transcripts"))
        {
            Transcript transcript = Parsed(vector);
            Assert.Equal(vector.Bytes("encoded"), transcript.ToArray());
            Assert.Equal(vector.Bytes("head"), transcript.Head.ToArray());
            Assert.Equal((vector.Number("entries"), vector.Number("signatures")), (transcript.Entries.Count, transcript.Signatures.Count));
            TranscriptVerdict verdict = TranscriptVerdict.Of(transcript);
            Assert.Equal((vector.Text("name"), string.Join(' ', Texts(vector, "findings"))), (vector.Text("name"), string.Join(' ', verdict.Findings)));
            Assert.Equal(Texts(vector, "unsigned"), verdict.Unsigned);
            Assert.Equal(vector["ending"]?.GetValue<string>(), verdict.Ending);
        }
    }

    [Fact]
    public void What_is_no_transcript_is_refused() =>
        Assert.All(Vectors.List(File, "notTranscripts"), vector => Assert.False(Transcript.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));

    [Fact]
    public void Every_finding_has_a_vector() => Assert.Equal(
        Enum.GetNames<TranscriptFinding>().Order(StringComparer.Ordinal),
        Vectors.List(File, "transcripts").SelectMany(vector => Texts(vector, "findings")).Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void What_is_signed_names_ceremony_count_hash_and_signer() => Assert.All(Vectors.List(File, "signedTexts"), vector =>
        Assert.Equal(vector.Text("text"), Encoding.ASCII.GetString(Parsed(vector).SignedText(vector.Text("signer")))));

    [Fact]
    public void Digests_of_shares_follow_from_their_words() => Assert.All(Vectors.List(File, "shareDigests"), vector =>
    {
        ushort[] words = [.. vector.Text("words").Split(' ').Select(word => ShareWordList.TryFind(word, out ushort number) ? number : ushort.MaxValue)];
        Assert.True(Share.TryParse(words, out Share? share, out _));
        using (share)
        {
            Assert.Equal(vector.Bytes("digest"), ShareDigest.Of(share!));
        }
    });

    [Fact]
    public void A_transcript_made_entry_by_entry_is_the_vector()
    {
        foreach (JsonObject vector in Vectors.List(File, "transcripts"))
        {
            Transcript read = Parsed(vector);
            Transcript made = Transcript.Begin(read.Header);
            var journal = new List<byte>(read.Header.ToArray());
            foreach (TranscriptEntry entry in read.Entries)
            {
                made = made.Add(entry, out byte[] line);
                journal.AddRange(line);
            }
            Assert.Equal(read.Head.ToArray(), made.Head.ToArray());
            Assert.Equal(journal, vector.Bytes("encoded")[..journal.Count]);
        }
    }

    [Fact]
    public void Whatever_is_written_parses_to_the_same() => Prop.ForAll(Entries(), entries =>
    {
        Transcript transcript = Of(entries);
        Assert.True(Transcript.TryParse(transcript.ToArray(), out Transcript? read));
        Assert.Equal(transcript.Entries, read!.Entries);
        Assert.Equal(transcript.ToArray(), read.ToArray());
        Assert.Equal(transcript.Head.ToArray(), read.Head.ToArray());
    }).QuickCheckThrowOnFailure();

    /// <summary>Whoever noted the last hash notices every change.</summary>
    [Fact]
    public void Every_changed_byte_is_refused_or_changes_the_last_hash()
    {
        Transcript transcript = Of([("step", "what \\ was seen: ü"), ("b", "x")]);
        byte[] bytes = transcript.ToArray();
        for (int at = 0; at < bytes.Length; at++)
        {
            foreach (int change in new[] { 1, 2, 4, 8, 16, 32, 64, 128 })
            {
                byte[] changed = [.. bytes];
                changed[at] ^= (byte)change;
                Assert.False(Transcript.TryParse(changed, out Transcript? read) && read!.Head.Span.SequenceEqual(transcript.Head.Span));
            }
        }
    }

    [Fact]
    public void A_signature_is_of_one_name_one_count_one_ceremony()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] publicKey = key.ExportSubjectPublicKeyInfo();
        byte[] Sign(byte[] text) => key.SignData(text, HashAlgorithmName.SHA256);
        TranscriptHeader header = Header(1);
        Transcript signed = Ended(header, 1).Sign(isHsm: false, "alice", publicKey, Sign);
        TranscriptSignature signature = Assert.Single(signed.Signatures);
        Assert.True(signed.Verifies(signature));
        Assert.False(signed.Verifies(signature with { Signer = "bob" }));
        Assert.False(Ended(header, 2).Verifies(signature));
        Assert.False(Ended(Header(2), 1).Verifies(signature));
        Assert.False(Ended(header with { IsRehearsal = true }, 1).Verifies(signature));
        // Again in the same name: in the place of the earlier one; of another kind: beside it, before it.
        Assert.Single(signed.Sign(isHsm: false, "alice", publicKey, Sign).Signatures);
        Assert.Equal([true, false], signed.Sign(isHsm: true, "alice", publicKey, Sign).Signatures.Select(each => each.IsHsm));
        Assert.Throws<ArgumentException>(() => signed.Sign(isHsm: false, "Alice", publicKey, Sign));
        Assert.Throws<InvalidOperationException>(() => Of([("a", "b")]).Sign(isHsm: false, "alice", publicKey, Sign));
        Assert.Throws<InvalidOperationException>(() => signed.Add(Entry("a", "b"), out _));
    }

    [Fact]
    public void Limits_hold()
    {
        var entries = new StringBuilder(Encoding.ASCII.GetString(Header(1).ToArray()));
        byte[] head = SHA256.HashData(Header(1).ToArray());
        for (int i = 0; i <= 10_000; i++)
        {
            Assert.True(i is not (9_999 or 10_000) || Transcript.TryParse(Encoding.ASCII.GetBytes(entries.ToString()), out _));
            const string Line = "2026-12-01T09:00:00Z fact a b";
            head = SHA256.HashData([.. head, .. Encoding.ASCII.GetBytes(Line)]);
            entries.Append(Convert.ToHexStringLower(head)).Append(' ').Append(Line).Append('\n');
        }
        Assert.False(Transcript.TryParse(Encoding.ASCII.GetBytes(entries.ToString()), out _));
        Assert.Throws<ArgumentException>(() => Transcript.Begin(Header(1) with { Kind = "party" }));
        Transcript transcript = Transcript.Begin(Header(1));
        Assert.Throws<ArgumentException>(() => transcript.Add(Entry("A", "b"), out _));
        Assert.Throws<ArgumentException>(() => transcript.Add(Entry("a", ""), out _));
        Assert.Throws<ArgumentException>(() => transcript.Add(Entry("a", "\ud800"), out _));
        Assert.Throws<ArgumentException>(() => transcript.Add(Entry("a", "b") with { Time = Start.AddMilliseconds(1) }, out _));
    }

    private static Transcript Parsed(JsonObject vector)
    {
        Assert.True(Transcript.TryParse(vector.Bytes("encoded"), out Transcript? transcript), vector.Text("name"));
        return transcript!;
    }

    private static IEnumerable<string> Texts(JsonObject vector, string name) => vector[name]!.AsArray().Select(each => each!.GetValue<string>());

    private static Arbitrary<List<(string Subject, string Text)>> Entries() =>
        Gen.Elements("a", "5/3", "hsm.serial", "x_y-z")
            .SelectMany(subject => Gen.Elements('a', ' ', '\\', 'ü', '\n', '{', '}', '\u202e', '\0').NonEmptyListOf().Select(text => (subject, new string([.. text]))))
            .ListOf().Select(list => list.ToList()).ToArbitrary();

    private static TranscriptHeader Header(byte ceremony) => new(Enumerable.Repeat(ceremony, 16).ToArray(), CeremonyKind.Genesis, IsRehearsal: false, new byte[32]);

    private static TranscriptEntry Entry(string subject, string text) => new(Start, TranscriptEntryType.Fact, subject, text);

    private static Transcript Of(IEnumerable<(string Subject, string Text)> entries) =>
        entries.Aggregate(Transcript.Begin(Header(1)), (transcript, each) => transcript.Add(Entry(each.Subject, each.Text), out _));

    private static Transcript Ended(TranscriptHeader header, int facts) =>
        Enumerable.Range(0, facts).Aggregate(Transcript.Begin(header), (transcript, i) => transcript.Add(Entry("a", $"{i}"), out _))
            .Add(new TranscriptEntry(Start, TranscriptEntryType.End, TranscriptVerdict.Void, "why"), out _);
}
