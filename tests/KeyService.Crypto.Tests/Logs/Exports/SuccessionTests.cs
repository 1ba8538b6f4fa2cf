using System.Security.Cryptography;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

/// <summary>A checkpoint key that another one followed: who pinned the first is led to the last.</summary>
public sealed class SuccessionTests
{
    private static readonly ECDsa[] Keys = [.. Enumerable.Range(0, 3).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256))];

    [Fact]
    public void Any_key_of_the_chain_may_be_pinned()
    {
        SampleExport export = Export();
        foreach (ECDsa key in Keys)
        {
            Assert.Empty(Verify(export, key));
        }
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(ExportFault.Unsigned, Assert.Single(Verify(export, other)).Fault);
    }

    [Fact]
    public void Every_missing_signature_file_and_key_is_found()
    {
        // The old key did not vouch, the new one did not sign, the old one signs on, another history, a checkpoint before the entry.
        SampleExport export = Export();
        byte[][] directory = [.. export.Entries];
        int first = Array.FindIndex(directory, entry => entry[1] == 4);
        MerkleTree tree = SampleExport.TreeOf(directory);
        foreach (SignedNote note in new[]
        {
            SampleExport.Sign(SampleExport.Names.Directory, first + 1, tree.Root(first + 1), Keys[1]),
            SampleExport.Sign(SampleExport.Names.Directory, first + 1, tree.Root(first + 1), Keys[0]),
            SampleExport.Sign(SampleExport.Names.Directory, first + 1, tree.Root(first + 1), Keys[0], Keys[2]),
            SampleExport.Sign(SampleExport.Names.Directory, first + 1, new byte[32], Keys[0], Keys[1]),
            SampleExport.Sign(SampleExport.Names.Directory, first, tree.Root(first), Keys[0], Keys[1]),
        })
        {
            export.Files["directory/succession/1"] = note.ToArray();
            Assert.NotEmpty(Verify(export, Keys[0]));
        }
        export = Export();
        export.Files.Remove("directory/succession/2");
        Assert.NotEmpty(Verify(export, Keys[0]));

        export = Export();
        string[] lines = System.Text.Encoding.ASCII.GetString(export.Files["keys"]).Split('\n');
        foreach (string keys in new[] { $"{lines[0]}\n", $"{lines[2]}\n", $"{lines[0]}\n{lines[2]}\n{lines[1]}\n", $"{lines[1]}\n{lines[2]}\n", "" })
        {
            export.Files["keys"] = System.Text.Encoding.ASCII.GetBytes(keys);
            Assert.NotEmpty(Verify(export, Keys[0]));
        }

        export = Export();
        export.Files["directory/checkpoint"] = SampleExport.Sign(SampleExport.Names.Directory, directory.Length, tree.Root(directory.Length), Keys[0]).ToArray();
        Assert.Equal(ExportFault.Unsigned, Assert.Single(Verify(export, Keys[0])).Fault);
    }

    public static TheoryData<string> Groups => new(GroupExport.All.Keys);

    [Theory]
    [MemberData(nameof(Groups))]
    public void Keys_of_several_tokens_sign_beside_one_another(string group)
    {
        IReadOnlyList<ExportFinding> findings = Verify(GroupExport.Of(group), GroupExport.First);
        if (GroupExport.All[group].Holds)
        {
            Assert.Empty(findings);
        }
        else
        {
            Assert.NotEmpty(findings);
            Assert.All(findings, finding => Assert.Equal(ExportFault.Unsigned, finding.Fault));
        }
    }

    private static IReadOnlyList<ExportFinding> Verify(SampleExport export, ECDsa pinned) => ExportVerification.Run(
        export.AsFiles, new ExportTrust([NoteVerifier.Create("whatever", NoteAlgorithm.Ecdsa, pinned.ExportSubjectPublicKeyInfo())], [], null)).Findings;

    private static SampleExport Export()
    {
        var export = new SampleExport(Keys[2]);
        List<byte[]> records = SampleExport.Records(0, 9);
        export.Add(DirectoryEntryKind.Checkpoint, 0, records, 2);
        for (int i = 1; i < Keys.Length; i++)
        {
            export.Add(DirectoryEntry.OfKey(5, Keys[i].ExportSubjectPublicKeyInfo()));
            int size = export.Entries.Count;
            export.Files[$"directory/succession/{i}"] =
                SampleExport.Sign(SampleExport.Names.Directory, size, SampleExport.TreeOf(export.Entries).Root(size), Keys[i - 1], Keys[i]).ToArray();
            export.Add(DirectoryEntryKind.Checkpoint, 0, records, 3 * i);
        }
        export.Add(DirectoryEntryKind.Checkpoint, 0, records, 9);
        export.WriteSlot(0, records);
        export.WriteDirectory();
        export.Files["keys"] = System.Text.Encoding.ASCII.GetBytes(string.Concat(
            Keys.Select(key => $"{NoteVerifier.Create(SampleExport.Names.Installation, NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo())}\n")));
        return export;
    }
}
