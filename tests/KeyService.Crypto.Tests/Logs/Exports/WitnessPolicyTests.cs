using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

/// <summary>C2SP tlog-policy.</summary>
public sealed class WitnessPolicyTests
{
    private static readonly (string Name, byte[] Seed, NoteVerifier Key)[] Witnesses = [.. Enumerable.Range(1, 4).Select(i =>
    {
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        return ($"w{i}", seed, NoteVerifier.Create($"witness.example/w{i}", NoteAlgorithm.Cosignature, Ed25519.PublicKey(seed)));
    })];

    private static readonly string Four = string.Concat(Witnesses.Select(witness => $"witness {witness.Name} {witness.Key} https://{witness.Name}.example/\n"));

    [Theory]
    [InlineData("quorum none\n", "", true)]
    [InlineData("quorum w1\n", "", false)]
    [InlineData("quorum w1\n", "1", true)]
    [InlineData("quorum w1\n", "234", false)]
    [InlineData("group g any w1 w2\nquorum g\n", "2", true)]
    [InlineData("group g all w1 w2\nquorum g\n", "2", false)]
    [InlineData("group g all w1 w2\nquorum g\n", "12", true)]
    [InlineData("group g 2 w1 w2 w3\nquorum g\n", "3", false)]
    [InlineData("group g 2 w1 w2 w3\nquorum g\n", "13", true)]
    [InlineData("# two levels\n\n \tgroup a 1 w1 w2\n group b all w3 w4 \ngroup both all a b\nquorum both", "234", true)]
    [InlineData("group a 1 w1 w2\ngroup b all w3 w4\ngroup both all a b\nquorum both\n", "123", false)]
    public void A_quorum_is_reached_by_its_witnesses(string rules, string cosigned, bool satisfied)
    {
        Assert.True(WitnessPolicy.TryParse(Encoding.UTF8.GetBytes(Four + rules), out WitnessPolicy? policy, out string fault), fault);
        SignedNote note = Cosigned(cosigned);
        Assert.Equal(satisfied, policy!.Satisfied(note));
        Assert.Equal(cosigned.Length > 0 ? 1_790_000_000L : null, policy.TimeOf(note)?.ToUnixTimeSeconds());
    }

    [Fact]
    public void One_witness_that_signs_twice_is_one_and_a_false_line_spoils_the_note()
    {
        Assert.True(WitnessPolicy.TryParse(Encoding.UTF8.GetBytes(Four + "group g 2 w1 w2\nquorum g\n"), out WitnessPolicy? policy, out _));
        SignedNote one = Cosigned("1");
        Assert.False(policy!.Satisfied(one.With(one.Signatures.Where(Witnesses[0].Key.Names))));
        SignedNote two = Cosigned("12");
        Assert.True(policy.Satisfied(two));
        byte[] wrong = two.Signatures[1].Signature.ToArray();
        wrong[^1] ^= 1;
        Assert.False(policy.Satisfied(two.With([two.Signatures[1] with { Signature = wrong }])));
        Assert.False(policy.Satisfied(new SignedNote(two.Text.Replace("\n7\n", "\n8\n", StringComparison.Ordinal), two.Signatures)));
    }

    [Theory]
    [InlineData("", "no quorum")]
    [InlineData("quorum w9\n", "line 5: the quorum is not defined above")]
    [InlineData("quorum w1\nquorum w1\n", "line 6: there is a second quorum")]
    [InlineData("group g all w1 none\nquorum g\n", "line 5: a member")]
    [InlineData("group g all w1 w1\nquorum g\n", "line 5: a member")]
    [InlineData("group g all w1 w2\ngroup h any w2\nquorum g\n", "line 6: a member")]
    [InlineData("group g 0 w1\nquorum g\n", "line 5: the number")]
    [InlineData("group g 2 w1\nquorum g\n", "line 5: the number")]
    [InlineData("group g 01 w1\nquorum g\n", "line 5: the number")]
    [InlineData("group w1 any w2\nquorum w1\n", "line 5: the name is taken")]
    [InlineData("group none any w2\nquorum none\n", "line 5: the name is taken")]
    [InlineData("group g\n", "line 5: it is no line")]
    [InlineData("witness w5 nothing\nquorum w1\n", "line 5: the witness's key")]
    [InlineData("log nothing\nquorum w1\n", "line 5: the log's key")]
    [InlineData("witnesses\n", "line 5: it is no line")]
    [InlineData("quorum w1\r\n", "control characters")]
    public void A_policy_that_breaks_a_rule_is_refused_with_its_line(string rules, string fault)
    {
        Assert.False(WitnessPolicy.TryParse(Encoding.UTF8.GetBytes(Four + rules), out WitnessPolicy? policy, out string found));
        Assert.Null(policy);
        Assert.Contains(fault, found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_witness_or_a_log_stands_there_once_and_under_its_own_type()
    {
        string log = $"{SampleExport.Of(1).Verifier}";
        Assert.True(WitnessPolicy.TryParse(Encoding.UTF8.GetBytes($"log {log}\nquorum none\n"), out WitnessPolicy? policy, out _));
        Assert.Equal(log, $"{Assert.Single(policy!.Logs)}");
        foreach (string text in new[]
        {
            $"log {log}\nlog {log} https://url\nquorum none\n",
            $"witness w {log}\nquorum none\n",
            $"log {Witnesses[0].Key}\nquorum none\n",
            $"witness w {Witnesses[0].Key}\nwitness v {Witnesses[0].Key.Named("another")}\nquorum none\n",
        })
        {
            Assert.False(WitnessPolicy.TryParse(Encoding.UTF8.GetBytes(text), out _, out _), text);
        }
    }

    [Fact]
    public void An_export_with_enough_cosignatures_needs_no_held_checkpoint_and_one_without_is_refused()
    {
        SampleExport export = SampleExport.Of(13);
        Assert.True(WitnessPolicy.TryParse(Encoding.UTF8.GetBytes(Four + "group g 2 w1 w2 w3\nquorum g\n"), out WitnessPolicy? policy, out _));
        var trust = new ExportTrust([export.Verifier], [], policy);
        Assert.Equal(ExportFault.Unwitnessed, Assert.Single(ExportVerification.Run(export.AsFiles, trust).Findings).Fault);

        // The newest checkpoint, or an older one that stands beside it.
        SignedNote newest = export.DirectoryNote(export.Entries.Count);
        export.Files["directory/checkpoint"] = newest.With(Cosignatures(newest, "13")).ToArray();
        Assert.True(ExportVerification.Run(export.AsFiles, trust).Covered);
        export.Files["directory/checkpoint"] = newest.With(Cosignatures(newest, "1")).ToArray();
        SignedNote older = export.DirectoryNote(4);
        export.Files["directory/witnessed"] = older.With(Cosignatures(older, "23")).ToArray();
        ExportReport report = ExportVerification.Run(export.AsFiles, trust);
        Assert.Equal("consistent; completeness not proven", report.Verdict);
        Assert.Equal(8, report.Slots[0].HeldSize);

        // Witnesses that saw another history.
        SignedNote other = SampleExport.Sign(SampleExport.Names.Directory, 4, new byte[32], SampleExport.Hsm);
        export.Files["directory/witnessed"] = other.With(Cosignatures(other, "23")).ToArray();
        Assert.Contains(ExportVerification.Run(export.AsFiles, trust).Findings, finding => finding.Fault == ExportFault.Forked);
    }

    private static SignedNote Cosigned(string witnesses)
    {
        SignedNote note = SampleExport.Sign("a/log", 7, new byte[32], SampleExport.Hsm);
        return note.With(Cosignatures(note, witnesses));
    }

    private static IEnumerable<NoteSignature> Cosignatures(SignedNote note, string witnesses) => witnesses
        .Select(digit => Witnesses[digit - '1'])
        .Select(witness => Cosignature.Sign(note.Text, witness.Key, witness.Seed, 1_790_000_000));
}
