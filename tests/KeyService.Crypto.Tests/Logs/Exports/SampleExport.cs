using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

/// <summary>
/// A small installation's logs, exported into memory as the service and the command do: each slot's records with the sizes at which they were
/// signed. Whoever has it holds the HSM: another history is written by making another one with the same key.
/// </summary>
internal sealed class SampleExport
{
    public static readonly LogNames Names = LogNames.Of(Convert.FromHexString("000102030405060708090a0b0c0d0e0f"));

    public static readonly ECDsa Hsm = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private readonly ECDsa _key;
    private readonly List<DirectoryEntry> _entries = [];

    public SampleExport(ECDsa? key = null) => _key = key ?? Hsm;

    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    public ExportFiles AsFiles => new(path => Files.GetValueOrDefault(path), () => Files.Keys);

    public NoteVerifier Verifier => NoteVerifier.Create(Names.Installation, NoteAlgorithm.Ecdsa, _key.ExportSubjectPublicKeyInfo());

    /// <summary>Two slots: one of <paramref name="records"/>, signed every four, and one of three that was sealed.</summary>
    public static SampleExport Of(int records = 13, ECDsa? key = null) =>
        Of(Records(0, records), [.. Enumerable.Range(1, records).Where(size => size % 4 == 0 || size == records)], key);

    public static SampleExport Of(IReadOnlyList<byte[]> records, IReadOnlyList<int> signed, ECDsa? key = null)
    {
        var export = new SampleExport(key);
        export.Add(DirectoryEntryKind.Lease, 0, [], 0);
        export.Add(DirectoryEntryKind.Lease, 1, [], 0);
        foreach (int size in signed)
        {
            export.Add(DirectoryEntryKind.Checkpoint, 0, records, size);
        }
        export.Add(DirectoryEntryKind.Checkpoint, 1, Records(1, 3), 3);
        export.Add(DirectoryEntryKind.Seal, 1, Records(1, 3), 3);
        export.WriteSlot(0, records);
        export.WriteSlot(1, Records(1, 3));
        export.WriteDirectory();
        return export;
    }

    public static List<byte[]> Records(uint slot, int count, string what = "record") => [.. Enumerable.Range(0, count).Select(i => RecordOf(slot, i, what))];

    public static byte[] RecordOf(uint slot, long sequence, string what = "record") => new AuditRecord
    {
        TimeUnixNanoseconds = 1_790_000_000_000_000_000 + sequence, Slot = slot, Sequence = (ulong)sequence, EventId = 103, Type = AuditEventType.Read,
        Outcome = AuditOutcome.Success, Automated = false, Detail = $"{what} {sequence}",
    }.Encode();

    public static MerkleTree TreeOf(IEnumerable<byte[]> entries)
    {
        var tree = new MerkleTree();
        foreach (byte[] entry in entries)
        {
            tree.Append(MerkleHash.Leaf(entry));
        }
        return tree;
    }

    public void Add(DirectoryEntryKind kind, uint slot, IReadOnlyList<byte[]> records, int size) =>
        _entries.Add(DirectoryEntry.Of(kind, 1_790_000_000_000_000_000, slot, size, TreeOf(records).Root(size)));

    public void Add(DirectoryEntry entry) => _entries.Add(entry);

    public List<byte[]> Entries => [.. _entries.Select(entry => entry.Encode())];

    public void WriteSlot(uint slot, IReadOnlyList<byte[]> records, int start = 0) => WriteLog(ExportFiles.Slot(slot), Names.Slot(slot), records, start);

    public void WriteDirectory(IReadOnlyList<byte[]>? entries = null)
    {
        Files[ExportFiles.Keys] = System.Text.Encoding.ASCII.GetBytes($"{Verifier}\n");
        WriteLog(ExportFiles.Directory, Names.Directory, entries ?? Entries, 0);
    }

    /// <summary>What the HSM signed when the directory had so many entries.</summary>
    public SignedNote DirectoryNote(int size) => Sign(Names.Directory, size, TreeOf(Entries).Root(size), _key);

    public static SignedNote Sign(string origin, long size, byte[] root, params ECDsa[] keys)
    {
        string text = new Checkpoint(origin, size, root).ToString();
        var lines = keys.Select(key => EcdsaNoteSignature.Sign(
            text, NoteVerifier.Create(origin, NoteAlgorithm.Ecdsa, key.ExportSubjectPublicKeyInfo()),
            key.SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation))).ToList();
        return lines[0].With(lines.Skip(1).SelectMany(note => note.Signatures));
    }

    /// <summary>Other entries in the files that are there, as somebody without the HSM can write them; the tiles too when they are <paramref name="careful"/>.</summary>
    public void Rewrite(string folder, IReadOnlyList<byte[]> entries, bool careful)
    {
        string[] bundles = [.. Files.Keys.Where(path => path.StartsWith($"{folder}/tile/records/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        for (int i = 0; i < bundles.Length; i++)
        {
            Files[bundles[i]] = Bundle(entries.Skip(i * LogTiles.Width).Take(i + 1 < bundles.Length ? LogTiles.Width : int.MaxValue));
        }
        if (careful)
        {
            WriteTiles(folder, entries);
        }
    }

    private void WriteLog(string folder, string origin, IReadOnlyList<byte[]> entries, int start)
    {
        WriteEntries(folder, entries, start, tiles: start == 0);
        MerkleTree tree = TreeOf(entries);
        Files[$"{folder}/{ExportFiles.Checkpoint}"] = Sign(origin, entries.Count, tree.Root(entries.Count), _key).ToArray();
        if (start > 0)
        {
            var before = new MerkleFrontier();
            foreach (byte[] entry in entries.Take(start))
            {
                before.Append(MerkleHash.Leaf(entry));
            }
            Files[$"{folder}/{ExportFiles.Start}"] = ExportStart.Write(before);
        }
    }

    private void WriteEntries(string folder, IReadOnlyList<byte[]> entries, int start, bool tiles)
    {
        for (int first = start; first < entries.Count; first += LogTiles.Width)
        {
            byte[][] page = [.. entries.Skip(first).Take(LogTiles.Width)];
            Files[$"{folder}/{LogTiles.BundlePath(first / LogTiles.Width, page.Length)}"] = Bundle(page);
        }
        if (tiles)
        {
            WriteTiles(folder, entries);
        }
    }

    private void WriteTiles(string folder, IEnumerable<byte[]> entries)
    {
        var builder = new TileBuilder((path, hashes) => Files[$"{folder}/{path}"] = hashes.ToArray());
        foreach (byte[] entry in entries)
        {
            builder.Append(MerkleHash.Leaf(entry));
        }
        builder.Finish();
    }

    private static byte[] Bundle(IEnumerable<byte[]> entries)
    {
        using var bundle = new MemoryStream();
        foreach (byte[] entry in entries)
        {
            LogTiles.AppendEntry(bundle, entry);
        }
        return bundle.ToArray();
    }
}
