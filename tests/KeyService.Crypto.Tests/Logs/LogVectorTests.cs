using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto.Logs;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Logs;

/// <summary>docs/spec/audit-log.md.</summary>
public sealed class LogVectorTests
{
    private const string File = "audit-log.json";
    private static readonly byte[][] Leaves = [.. Vectors.Load(File)["leaves"]!.AsArray().Select(leaf => Convert.FromHexString(leaf!.GetValue<string>()))];

    [Fact]
    public void Roots_are_those_of_RFC_6962_by_frontier_and_by_tree()
    {
        foreach (JsonObject vector in Vectors.List(File, "roots"))
        {
            MerkleTree tree = Tree(vector.Number("size"));
            Assert.Equal(vector.Bytes("root"), tree.Root(tree.Size));
            var frontier = new MerkleFrontier();
            foreach (byte[] leaf in Leaves[..vector.Number("size")])
            {
                frontier.Append(leaf);
            }
            Assert.Equal(vector.Bytes("root"), frontier.Root());
        }
    }

    [Fact]
    public void Inclusion_proofs_are_made_and_verified()
    {
        MerkleTree tree = Tree(Leaves.Length);
        foreach (JsonObject vector in Vectors.List(File, "inclusion"))
        {
            Assert.Equal(Proof(vector), MerkleProof.Inclusion(vector.Number("index"), vector.Number("size"), tree.Node));
            Assert.True(Included(vector), vector.Text("name"));
        }
        Assert.All(Vectors.List(File, "notIncluded"), vector => Assert.False(Included(vector), vector.Text("name")));
    }

    [Fact]
    public void Consistency_proofs_are_made_and_verified()
    {
        MerkleTree tree = Tree(Leaves.Length);
        foreach (JsonObject vector in Vectors.List(File, "consistency"))
        {
            Assert.Equal(Proof(vector), MerkleProof.Consistency(vector.Number("oldSize"), vector.Number("size"), tree.Node));
            Assert.True(Grown(vector), vector.Text("name"));
        }
        Assert.All(Vectors.List(File, "notConsistent"), vector => Assert.False(Grown(vector), vector.Text("name")));
    }

    [Fact]
    public void Notes_parse_serialise_and_verify_by_the_keys_that_signed()
    {
        Dictionary<string, NoteVerifier> keys = Vectors.Load(File)["keys"]!.AsObject().ToDictionary(key => key.Key, key => Vkey(key.Value!.GetValue<string>()));
        foreach (JsonObject vector in Vectors.List(File, "notes"))
        {
            Assert.True(SignedNote.TryParse(vector.Bytes("encoded"), out SignedNote? note), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), note!.ToArray());
            string[] verifies = [.. vector["verifies"]!.AsArray().Select(name => name!.GetValue<string>())];
            Assert.True(verifies.SequenceEqual(keys.Where(key => key.Value.Signed(note)).Select(key => key.Key)), vector.Text("name"));
        }
        Assert.All(Vectors.List(File, "notNotes"), vector => Assert.False(SignedNote.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Checkpoints_parse_and_are_written_again()
    {
        foreach (JsonObject vector in Vectors.List(File, "checkpoints"))
        {
            Assert.True(Checkpoint.TryParse(vector.Text("text"), out Checkpoint? checkpoint), vector.Text("name"));
            Assert.Equal(vector.Text("text"), checkpoint!.ToString());
            Assert.Equal(
                (vector.Text("origin"), vector.Text("size"), vector["extensions"]!.AsArray().Count),
                (checkpoint.Origin, checkpoint.Size.ToString(CultureInfo.InvariantCulture), checkpoint.Extensions.Count));
        }
        Assert.All(Vectors.List(File, "notCheckpoints"), vector => Assert.False(Checkpoint.TryParse(vector.Text("text"), out _), vector.Text("name")));
    }

    [Fact]
    public void Keys_parse_and_are_written_again()
    {
        Assert.All(Vectors.List(File, "vkeys"), vector => Assert.Equal(vector.Text("text"), Vkey(vector.Text("text")).ToString()));
        Assert.All(Vectors.List(File, "notVkeys"), vector => Assert.False(NoteVerifier.TryParse(vector.Text("text"), out _), vector.Text("name")));
    }

    [Fact]
    public void Proof_files_parse_are_written_again_and_prove()
    {
        foreach (JsonObject vector in Vectors.List(File, "proofs"))
        {
            Assert.True(InclusionProofFile.TryParse(vector.Bytes("encoded"), out InclusionProofFile? proof), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), proof!.ToArray());
            Assert.Equal(vector["extra"]?.GetValue<string>(), proof.Extra is null ? null : Convert.ToHexStringLower(proof.Extra));
            Assert.True(Checkpoint.TryParse(proof.Note.Text, out Checkpoint? checkpoint));
            Assert.True(MerkleProof.VerifyInclusion(vector.Bytes("leafHash"), proof.Index, checkpoint!.Size, proof.Hashes, checkpoint.Root), vector.Text("name"));
        }
        Assert.All(Vectors.List(File, "notProofs"), vector => Assert.False(InclusionProofFile.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Entries_of_the_directory_parse_and_encode()
    {
        foreach (JsonObject vector in Vectors.List(File, "entries"))
        {
            Assert.True(DirectoryEntry.TryParse(vector.Bytes("encoded"), out DirectoryEntry? entry), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), entry!.Encode());
            long time = long.Parse(vector.Text("time"), CultureInfo.InvariantCulture);
            DirectoryEntry made = entry.Kind switch
            {
                DirectoryEntryKind.Key => DirectoryEntry.OfKey(time, vector.Bytes("value")),
                DirectoryEntryKind.PeerKey => DirectoryEntry.OfPeerKey(time, vector.Bytes("value")),
                _ => DirectoryEntry.Of((DirectoryEntryKind)vector.Number("kind"), time, vector["slot"]!.GetValue<uint>(), long.Parse(vector.Text("size"), CultureInfo.InvariantCulture), vector.Bytes("value")),
            };
            Assert.Equal(entry, made);
        }
        Assert.All(Vectors.List(File, "notEntries"), vector => Assert.False(DirectoryEntry.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Files_have_the_names_and_the_form_of_tiles()
    {
        foreach (JsonObject vector in Vectors.List(File, "paths"))
        {
            Assert.Equal(vector.Text("path"), LogTiles.TilePath(vector.Number("level"), long.Parse(vector.Text("index"), CultureInfo.InvariantCulture), vector.Number("width")));
        }
        Assert.Equal("tile/records/x001/000.p/3", LogTiles.BundlePath(1000, 3));
        // The example of tlog-tiles: a tree of 70,000.
        Assert.Equal((256, 112, 0, 256, 17, 1), (LogTiles.WidthOf(0, 272, 70_000), LogTiles.WidthOf(0, 273, 70_000), LogTiles.WidthOf(0, 274, 70_000), LogTiles.WidthOf(1, 0, 70_000), LogTiles.WidthOf(1, 1, 70_000), LogTiles.WidthOf(2, 0, 70_000)));
    }

    [Fact]
    public void A_bundle_gives_back_its_entries_and_is_refused_when_it_is_cut()
    {
        JsonObject vector = Vectors.List(File, "bundles")[0];
        byte[][] entries = [[], [1, 0], new byte[70_000]];
        using var bundle = new MemoryStream();
        foreach (byte[] entry in entries)
        {
            LogTiles.AppendEntry(bundle, entry);
        }
        byte[] bytes = bundle.ToArray();
        Assert.Equal(vector.Bytes("sha256"), SHA256.HashData(bytes));
        Assert.True(LogTiles.TryReadBundle(bytes, out IReadOnlyList<ReadOnlyMemory<byte>> read));
        Assert.Equal(entries, read.Select(entry => entry.ToArray()));
        Assert.False(LogTiles.TryReadBundle(bytes.AsMemory(0, bytes.Length - 1), out _));
        Assert.False(LogTiles.TryReadBundle(bytes.AsMemory(0, 3), out _));
        Assert.False(LogTiles.TryReadBundle(new byte[4 * 257], out _));
        Assert.False(LogTiles.TryReadBundle(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF }, out _));
    }

    private static MerkleTree Tree(int size)
    {
        var tree = new MerkleTree();
        foreach (byte[] leaf in Leaves[..size])
        {
            tree.Append(leaf);
        }
        return tree;
    }

    private static NoteVerifier Vkey(string text)
    {
        Assert.True(NoteVerifier.TryParse(text, out NoteVerifier? key), text);
        return key!;
    }

    private static byte[][] Proof(JsonObject vector) => [.. vector["proof"]!.AsArray().Select(hash => Convert.FromHexString(hash!.GetValue<string>()))];

    private static bool Included(JsonObject vector) =>
        MerkleProof.VerifyInclusion(vector.Bytes("leafHash"), vector.Number("index"), vector.Number("size"), Proof(vector), vector.Bytes("root"));

    private static bool Grown(JsonObject vector) =>
        MerkleProof.VerifyConsistency(vector.Number("oldSize"), vector.Bytes("oldRoot"), vector.Number("size"), vector.Bytes("root"), Proof(vector));
}
