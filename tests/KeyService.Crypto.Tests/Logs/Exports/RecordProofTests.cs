using System.Security.Cryptography;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

/// <summary>Proofs of single records: the nodes they are made of, and what a stranger accepts.</summary>
public sealed class RecordProofTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(700)]
    public void Leaves_that_pass_once_and_hash_tiles_give_the_nodes_of_the_tree(int size)
    {
        List<byte[]> entries = [.. Enumerable.Range(0, size).Select(i => BitConverter.GetBytes(i))];
        MerkleTree tree = SampleExport.TreeOf(entries);
        var tiles = new Dictionary<string, byte[]>();
        var builder = new TileBuilder((path, hashes) => tiles.Add(path, hashes.ToArray()));
        entries.ForEach(entry => builder.Append(MerkleHash.Leaf(entry)));
        builder.Finish();
        var nodes = new TileNodes(tiles.GetValueOrDefault, size);
        for (int index = 0; index < size; index += size > 300 ? 13 : 3)
        {
            NodeGathering gathering = NodeGathering.ForInclusion(index, size);
            NodeGathering consistency = NodeGathering.ForConsistency(index, size);
            foreach (byte[] entry in entries)
            {
                gathering.Append(MerkleHash.Leaf(entry));
                consistency.Append(MerkleHash.Leaf(entry));
            }
            IReadOnlyList<byte[]> expected = MerkleProof.Inclusion(index, size, tree.Node);
            Assert.Equal(expected, MerkleProof.Inclusion(index, size, gathering.Node));
            Assert.Equal(expected, MerkleProof.Inclusion(index, size, nodes.Node));
            Assert.Equal(MerkleProof.Consistency(index, size, tree.Node), MerkleProof.Consistency(index, size, consistency.Node));
            Assert.Equal(MerkleProof.Consistency(index, size, tree.Node), MerkleProof.Consistency(index, size, nodes.Node));
        }
        tiles.Clear();
        Assert.True(size == 1 || Throws(() => MerkleProof.Inclusion(0, size, nodes.Node)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(100)]
    public void Leaves_before_need_not_pass_where_their_tree_is_known(int size)
    {
        List<byte[]> leaves = [.. Enumerable.Range(0, size).Select(i => MerkleHash.Leaf(BitConverter.GetBytes(i)))];
        MerkleTree tree = SampleExport.TreeOf([.. Enumerable.Range(0, size).Select(i => BitConverter.GetBytes(i))]);
        for (int passed = 0; passed <= size; passed++)
        {
            var before = new MerkleFrontier();
            leaves.Take(passed).ToList().ForEach(leaf => before.Append(leaf));
            for (int place = 0; place <= size; place++)
            {
                if (place < passed)
                {
                    Assert.Throws<ArgumentOutOfRangeException>(() => NodeGathering.ForInclusion(place, size, before));
                    Assert.Throws<ArgumentOutOfRangeException>(() => NodeGathering.ForConsistency(place, size, before));
                    continue;
                }
                NodeGathering consistency = Passed(NodeGathering.ForConsistency(place, size, before));
                Assert.Equal(MerkleProof.Consistency(place, size, tree.Node), MerkleProof.Consistency(place, size, consistency.Node));
                if (place < size)
                {
                    NodeGathering inclusion = Passed(NodeGathering.ForInclusion(place, size, before));
                    Assert.Equal(MerkleProof.Inclusion(place, size, tree.Node), MerkleProof.Inclusion(place, size, inclusion.Node));
                }
            }

            NodeGathering Passed(NodeGathering gathering)
            {
                leaves.Skip(passed).ToList().ForEach(leaf => gathering.Append(leaf));
                return gathering;
            }
        }
    }

    [Fact]
    public void A_stranger_accepts_a_record_of_the_log_and_nothing_else()
    {
        SampleExport export = SampleExport.Of(13);
        NoteVerifier[] keys = [export.Verifier];
        for (int place = 0; place < 12; place++)
        {
            (InclusionProofFile record, InclusionProofFile directory) = Prove(export, place);
            Assert.True(RecordProof.TryVerify(record, directory, keys, null, out RecordProof? proof, out string fault), fault);
            Assert.Equal(((ulong)place, 13L), (proof!.Record.Sequence, proof.Checkpoint.Size));
            Assert.True(RecordProof.TryVerify(record, null, keys, null, out proof, out _) && proof!.Directory is null);

            Refused(record with { Index = record.Index + 1 }, directory);
            Refused(record with { Extra = SampleExport.RecordOf(0, place, "edited") }, directory);
            Refused(record with { Extra = null }, directory);
            Refused(record with { Hashes = [.. record.Hashes, new byte[32]] }, directory);
            Refused(record with { Hashes = [.. record.Hashes.Skip(1)] }, directory);
            Refused(record, record);
            Refused(directory, directory);
            Refused(record, directory with { Index = directory.Index - 1 });
        }

        void Refused(InclusionProofFile record, InclusionProofFile directory)
        {
            Assert.False(RecordProof.TryVerify(record, directory, keys, null, out RecordProof? proof, out string fault));
            Assert.Null(proof);
            Assert.NotEmpty(fault);
        }
    }

    [Fact]
    public void A_signed_log_of_another_name_key_or_size_proves_nothing()
    {
        SampleExport export = SampleExport.Of(13);
        (InclusionProofFile record, InclusionProofFile directory) = Prove(export, 5);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] root = SampleExport.TreeOf(SampleExport.Records(0, 13)).Root(13);
        Refused(record with { Note = SampleExport.Sign(SampleExport.Names.Slot(0), 13, root, other) }, directory);
        Refused(record with { Note = SampleExport.Sign(SampleExport.Names.Slot(1), 13, root, SampleExport.Hsm) }, directory);
        Refused(record with { Note = SampleExport.Sign("another/log", 13, root, SampleExport.Hsm) }, null);
        Refused(record with { Note = SampleExport.Sign(SampleExport.Names.Slot(0) + "0", 13, root, SampleExport.Hsm) }, null);
        // The directory of another installation, and an entry of another size.
        Refused(record, directory with { Note = SampleExport.Sign(LogNames.Of(new byte[16]).Directory, export.Entries.Count, SampleExport.TreeOf(export.Entries).Root(export.Entries.Count), SampleExport.Hsm) });
        Refused(record, ProveEntry(export, 2));
        Refused(record, ProveEntry(export, export.Entries.Count - 1));

        void Refused(InclusionProofFile proof, InclusionProofFile? above) =>
            Assert.False(RecordProof.TryVerify(proof, above, [export.Verifier], null, out _, out _));
    }

    [Fact]
    public void Witnesses_vouch_for_the_directory()
    {
        SampleExport export = SampleExport.Of(13);
        byte[] seed = RandomNumberGenerator.GetBytes(32);
        NoteVerifier witness = NoteVerifier.Create("witness.example/w", NoteAlgorithm.Cosignature, Ed25519.PublicKey(seed));
        Assert.True(WitnessPolicy.TryParse(System.Text.Encoding.ASCII.GetBytes($"witness w {witness}\nquorum w\n"), out WitnessPolicy? policy, out _));
        (InclusionProofFile record, InclusionProofFile directory) = Prove(export, 5);
        Assert.False(RecordProof.TryVerify(record, directory, [export.Verifier], policy, out _, out _));
        Assert.False(RecordProof.TryVerify(record, null, [export.Verifier], policy, out _, out string fault));
        Assert.Contains("give its proof as well", fault, StringComparison.Ordinal);
        directory = directory with { Note = directory.Note.With([Cosignature.Sign(directory.Note.Text, witness, seed, 1_790_000_000)]) };
        Assert.True(RecordProof.TryVerify(record, directory, [export.Verifier], policy, out RecordProof? proof, out _));
        Assert.Equal(1_790_000_000, proof!.WitnessTime!.Value.ToUnixTimeSeconds());
    }

    private static (InclusionProofFile Record, InclusionProofFile Directory) Prove(SampleExport export, int place)
    {
        List<byte[]> records = SampleExport.Records(0, 13);
        MerkleTree tree = SampleExport.TreeOf(records);
        Assert.True(SignedNote.TryParse(export.Files["slot/0/checkpoint"], out SignedNote? note));
        int entry = export.Entries.FindIndex(bytes => DirectoryEntry.TryParse(bytes, out DirectoryEntry? parsed) && parsed!.Slot == 0 && parsed.Size == 13);
        return (new InclusionProofFile(records[place], place, MerkleProof.Inclusion(place, 13, tree.Node), note!), ProveEntry(export, entry));
    }

    private static InclusionProofFile ProveEntry(SampleExport export, int place)
    {
        MerkleTree tree = SampleExport.TreeOf(export.Entries);
        return new InclusionProofFile(export.Entries[place], place, MerkleProof.Inclusion(place, tree.Size, tree.Node), export.DirectoryNote((int)tree.Size));
    }

    private static bool Throws(Action action)
    {
        Assert.Throws<InvalidDataException>(action);
        return true;
    }
}
