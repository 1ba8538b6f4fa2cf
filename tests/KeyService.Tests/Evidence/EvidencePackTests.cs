using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Evidence;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Logs;
using KeyService.Tests.Logs;

namespace KeyService.Tests.Evidence;

/// <summary>docs/spec/evidence-pack.md: what an auditor's command takes and refuses, without a service.</summary>
public sealed class EvidencePackTests
{
    private const string Folder = "log/slot/0";

    [Fact]
    public void A_whole_pack_verifies_with_every_record_of_its_log()
    {
        var pack = SamplePack.Of(SampleExport.Of());
        var seal = pack.Verify(SamplePack.Verifier);
        Assert.Equal((16L, SamplePack.Verifier.ToString(), 3), (seal.LogRecords, seal.Signer.ToString(), seal.Manifest.Files.Count));
        Assert.Equal(16, pack.Verify().LogRecords);
        Assert.Equal(16, pack.Verify(SamplePack.Verifier, SampleExport.Of().Verifier).LogRecords);
        Assert.Null(SamplePack.WithoutLog().Verify(SamplePack.Verifier).LogRecords);
    }

    [Fact]
    public void What_witnesses_signed_since_does_not_make_it_another_checkpoint()
    {
        var pack = SamplePack.Of(SampleExport.Of());
        Assert.True(SignedNote.TryParse(pack["log/directory/checkpoint"], out var note));
        using var witness = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.True(Checkpoint.TryParse(note!.Text, out var checkpoint));
        pack["log/directory/checkpoint"] = SampleExport.Sign(checkpoint!.Origin, checkpoint.Size, checkpoint.Root, SampleExport.Hsm, witness).ToArray();
        Assert.Equal(16, pack.Verify(SamplePack.Verifier).LogRecords);
    }

    [Fact]
    public void A_changed_record_is_named()
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack[$"{Folder}/tile/records/000.p/13"][^1] ^= 1;
        Refused(pack, "the log in it is not consistent: log/slot/0/tile/records/000.p/13: entry 12 is not the one whose hash was signed");
    }

    [Fact]
    public void Every_file_of_the_log_must_be_there_as_it_was()
    {
        foreach (var name in SampleExport.Of().Files.Keys.Select(path => $"log/{path}"))
        {
            var less = SamplePack.Of(SampleExport.Of());
            less.Remove(name);
            Refused(less, "missing", "verifier keys");
            var changed = SamplePack.Of(SampleExport.Of());
            changed[name][changed[name].Length / 2] ^= 1;
            Refused(changed, "the log in it", "is no checkpoint", "is not in form");
        }
    }

    [Theory]
    [InlineData("log/more")]
    [InlineData("log/slot/0/tile/records/001")]
    [InlineData("log/slot/7/checkpoint")]
    public void A_file_that_is_not_of_the_log_is_named(string name)
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack.Files.Add((name, [1]));
        Refused(pack, $"the log in it is not consistent: {name}: the file does not belong to this export");
    }

    [Fact]
    public void A_log_that_ends_before_or_behind_the_signed_checkpoint_is_not_the_packs()
    {
        Refused(SamplePack.Of(SampleExport.Of(records: 9), bound: SampleExport.Of()), "the log in it ends before the checkpoint that was signed with it: 7 entries of the directory instead of 8");
        Refused(SamplePack.Of(SampleExport.Of(), bound: SampleExport.Of(records: 9)), "the log in it ends behind the checkpoint that was signed with it: 8 entries of the directory instead of 7");
    }

    [Fact]
    public void Another_history_of_the_same_length_is_not_the_packs_even_when_the_HSM_signed_it()
    {
        int[] signed = [4, 8, 12, 13];
        Refused(
            SamplePack.Of(SampleExport.Of(SampleExport.Records(0, 13, "forged"), signed), bound: SampleExport.Of()),
            "the log in it tells another history than the checkpoint that was signed with it");
    }

    [Fact]
    public void The_log_of_another_installation_is_refused()
    {
        var other = SampleExport.Of();
        var names = LogNames.Of(new byte[16]);
        other.Files["directory/checkpoint"] = SampleExport.Sign(names.Directory, 8, new byte[32], SampleExport.Hsm).ToArray();
        Refused(SamplePack.Of(other, bound: SampleExport.Of()), "the log in it is of another installation");
    }

    [Fact]
    public void The_same_entries_under_another_key_are_not_what_the_HSM_signed()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Refused(SamplePack.Of(SampleExport.Of(key: key), bound: SampleExport.Of()), "the log in it is not consistent: log/keys: a checkpoint that was given is not signed by a key of this log");
        Refused(SamplePack.Of(SampleExport.Of()), [SamplePack.Verifier, NoteVerifier.Create(SampleExport.Names.Installation, NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo())],
            "the log in it is not consistent: log/keys: none of the keys of this export is one that was given");
    }

    [Fact]
    public void A_log_that_begins_later_than_was_signed_is_refused()
    {
        var records = SampleExport.Records(0, 300);
        var whole = SampleExport.Of(records, [300]);
        Assert.Equal(303, SamplePack.Of(whole).Verify(SamplePack.Verifier).LogRecords);
        var later = SampleExport.Of(records, [300]);
        foreach (var path in later.Files.Keys.Where(path => path.StartsWith("slot/0/", StringComparison.Ordinal)).ToList())
        {
            later.Files.Remove(path);
        }
        later.WriteSlot(0, records, start: 256);
        Assert.Equal(47, SamplePack.Of(later, reach: "slot,start,size\n0,256,300\n1,0,3\n").Verify(SamplePack.Verifier).LogRecords);
        Refused(SamplePack.Of(later, bound: whole), "the log in it does not begin or end where audit/reach.csv says");
        Refused(SamplePack.Of(whole, reach: "slot,start,size\n0,256,300\n1,0,3\n"), "the log in it does not begin or end where audit/reach.csv says");
        Refused(SamplePack.Of(whole, reach: "slot,start,size\n0,0,300\n"), "the log in it does not begin or end where audit/reach.csv says");
        Refused(SamplePack.Of(whole, reach: "slot,start,size\n0,1,300\n"), "audit/reach.csv or audit/checkpoint is not in form");
    }

    [Fact]
    public void The_manifest_says_whether_there_is_a_log()
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack.Files.RemoveAll(file => file.Name.StartsWith("log/", StringComparison.Ordinal));
        Refused(pack, "the log is missing that its manifest binds (log/)");
        var bare = SamplePack.WithoutLog();
        bare.Files.Add(("log/keys", [1]));
        Refused(bare, "it has a log, and its manifest knows of none");
        Refused(SamplePack.WithoutLog(("log/keys", [1])), "it has other files than its manifest");
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("/etc/passwd")]
    [InlineData("log/../../evil")]
    [InlineData("log\\evil")]
    [InlineData("c:/evil")]
    [InlineData("log/Keys")]
    [InlineData("../evil/")]
    [InlineData("log//")]
    [InlineData(".")]
    public void A_name_that_leads_elsewhere_is_refused(string name)
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack.Files.Add((name, []));
        Refused(pack, "it has a file with a name that no file of a pack has");
    }

    [Theory]
    [InlineData("index.html")]
    [InlineData("manifest")]
    [InlineData("key")]
    [InlineData("log/keys")]
    public void A_name_that_is_there_twice_is_refused(string name)
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack.Files.Add((name, pack[name]));
        Refused(pack, $"it has {name} twice");
    }

    [Theory]
    [InlineData("index.html", 0xA1FF)]
    [InlineData("log/keys", 0xA1FF)]
    [InlineData("log/keys", 0x11A4)]
    [InlineData("log/keys", 0x41ED)]
    public void A_link_or_a_device_is_no_file_of_a_pack(string name, int mode)
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack.Modes[name] = mode;
        Refused(pack, $"{name} is no plain file");
    }

    [Fact]
    public void Folders_and_files_without_a_mode_are_in_order()
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack.Files.Add(("log/slot/", []));
        pack.Modes["log/slot/"] = 0x41ED;
        pack.Modes["index.html"] = 0;
        Assert.Equal(16, pack.Verify(SamplePack.Verifier).LogRecords);
    }

    [Theory]
    [InlineData("index.html")]
    [InlineData("key")]
    [InlineData("manifest")]
    public void No_file_is_unfolded_further_than_it_may_be(string name)
    {
        var pack = SamplePack.Of(SampleExport.Of());
        pack[name] = new byte[50_000_000];
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var stream = pack.Write();
        before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<CliError>(() => EvidencePack.Verify(stream, [SamplePack.Verifier]));
        Assert.Contains($"{name} is longer than it may be", refused.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000_000);
    }

    [Fact]
    public void Months_that_were_signed_off_verify_by_themselves()
    {
        var name = $"{SampleExport.Names.Installation}/reviews";
        var key = ("reviews/key", Encoding.UTF8.GetBytes($"{SamplePack.VerifierOf(name)}\n"));
        var note = SamplePack.Note(name, $"{name}\n2026-10\ncarol\n2026-11-02T00:00:00Z\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
        Assert.Null(SamplePack.WithoutLog(key, ("reviews/2026-10.note", note)).Verify(SamplePack.Verifier).LogRecords);
        Refused(SamplePack.WithoutLog(key, ("reviews/2026-09.note", note)), "reviews/2026-09.note is not signed by reviews/key");
        Refused(SamplePack.WithoutLog(key, ("reviews/2026-10.note", [.. note[..^20], .. note[^19..]])), "reviews/2026-10.note is not signed by reviews/key");
        Refused(SamplePack.WithoutLog(key, ("reviews/2026-10.note", SamplePack.Note("mallory", "mallory\n2026-10\n"))), "reviews/2026-10.note is not signed by reviews/key");
        Refused(SamplePack.WithoutLog(("reviews/2026-10.note", note)), "it has no file reviews/key");
    }

    [Fact]
    public void Results_of_access_reviews_verify_by_themselves()
    {
        var start = new DateTimeOffset(2026, 10, 1, 0, 0, 0, TimeSpan.Zero);
        var result = new AccessReviewResult(
            Convert.FromHexString("000102030405060708090a0b0c0d0e0f"), 0x17, "alice", start, start.AddDays(14), start.AddDays(1), "alice", new byte[32],
            [new AccessReviewEntry("database", "service", "dave", "", "keep", start.AddHours(1), new byte[32], "")]);
        var key = ("access/reviews/key", Encoding.UTF8.GetBytes($"{SamplePack.VerifierOf(result.Origin)}\n"));
        var note = SamplePack.Note(result.Origin, result.ToString());
        Assert.Null(SamplePack.WithoutLog(key, ("access/reviews/0000000000000017.note", note)).Verify(SamplePack.Verifier).LogRecords);
        Refused(SamplePack.WithoutLog(key, ("access/reviews/0000000000000018.note", note)), "access/reviews/0000000000000018.note is not signed by access/reviews/key");
        Refused(
            SamplePack.WithoutLog(("access/reviews/key", Encoding.UTF8.GetBytes($"{SamplePack.Verifier}\n")), ("access/reviews/0000000000000017.note", note)),
            "access/reviews/0000000000000017.note is not signed by access/reviews/key");
    }

    private static void Refused(SamplePack pack, params string[] oneOf) => Refused(pack, [SamplePack.Verifier], oneOf);

    private static void Refused(SamplePack pack, NoteVerifier[] keys, params string[] oneOf)
    {
        var refused = Assert.Throws<CliError>(() => pack.Verify(keys));
        Assert.Equal((ExitCode.NotVerified, "EVIDENCE_NOT_VERIFIED"), (refused.ExitCode, refused.Reason));
        Assert.True(Array.Exists(oneOf, text => refused.Message.Contains(text, StringComparison.Ordinal)), refused.Message);
    }
}
