using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

/// <summary>An export of an installation whose tokens sign beside one another: key 0 is the log's first.</summary>
internal static class GroupExport
{
    private static readonly ECDsa[] Keys = [.. Enumerable.Range(0, 4).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256))];

    /// <summary>Which keys are entered how and signed for by whom, who signs the directory at the end, and whether that holds.</summary>
    public static readonly IReadOnlyDictionary<string, (GroupKey[] Entered, int Last, bool Holds)> All =
        new Dictionary<string, (GroupKey[], int, bool)>(StringComparer.Ordinal)
        {
            ["the first signs on beside a peer"] = ([new(Peer, 1, 0, 1)], 0, true),
            ["the peer signs alone"] = ([new(Peer, 1, 0, 1)], 1, true),
            ["a peer vouches for a third"] = ([new(Peer, 1, 0, 1), new(Peer, 2, 1, 2)], 0, true),
            ["a successor of a peer retires the others"] = ([new(Peer, 1, 0, 1), new(Successor, 2, 1, 2)], 2, true),
            ["the retired first signs"] = ([new(Peer, 1, 0, 1), new(Successor, 2, 1, 2)], 0, false),
            ["the retired peer signs"] = ([new(Peer, 1, 0, 1), new(Successor, 2, 0, 2)], 1, false),
            ["a retired one vouches"] = ([new(Successor, 1, 0, 1), new(Peer, 2, 0, 2)], 1, false),
            ["a retired one that came back"] = ([new(Successor, 1, 0, 1), new(Peer, 0, 1, 0)], 0, true),
            ["nobody vouches for the peer"] = ([new(Peer, 1, 1, 1)], 0, false),
            ["the peer need not show itself"] = ([new(Peer, 1, 0, 0)], 1, true),
            ["the successor does not show itself"] = ([new(Peer, 1, 0, 0), new(Successor, 2, 0, 1)], 2, false),
            ["a stranger vouches"] = ([new(Peer, 1, 3, 1)], 0, false),
            ["a peer vouches before it is in force"] = ([new(Peer, 1, 2, 1), new(Peer, 2, 1, 2)], 0, false),
        };

    private const DirectoryEntryKind Peer = DirectoryEntryKind.PeerKey;
    private const DirectoryEntryKind Successor = DirectoryEntryKind.Key;

    public static ECDsa First => Keys[0];

    public static SampleExport Of(string name)
    {
        var (entered, last, _) = All[name];
        var export = new SampleExport(Keys[last]);
        List<byte[]> records = SampleExport.Records(0, 9);
        export.Add(DirectoryEntryKind.Checkpoint, 0, records, 2);
        for (int i = 0; i < entered.Length; i++)
        {
            byte[] key = Keys[entered[i].Key].ExportSubjectPublicKeyInfo();
            export.Add(entered[i].Kind == Peer ? DirectoryEntry.OfPeerKey(5, key) : DirectoryEntry.OfKey(5, key));
            int size = export.Entries.Count;
            export.Files[ExportFiles.Succession(i + 1)] = SampleExport.Sign(
                SampleExport.Names.Directory, size, SampleExport.TreeOf(export.Entries).Root(size), Keys[entered[i].Voucher], Keys[entered[i].Shown]).ToArray();
        }
        export.Add(DirectoryEntryKind.Checkpoint, 0, records, 9);
        export.WriteSlot(0, records);
        export.WriteDirectory();
        export.Files[ExportFiles.Keys] = Encoding.ASCII.GetBytes(string.Concat(entered.Select(each => each.Key).Prepend(0).Select(
            key => $"{NoteVerifier.Create(SampleExport.Names.Installation, NoteAlgorithm.Ecdsa, Keys[key].ExportSubjectPublicKeyInfo())}\n")));
        return export;
    }
}

/// <summary>A key that was entered.</summary>
/// <param name="Key">Its number.</param>
/// <param name="Voucher">Who vouches for it.</param>
/// <param name="Shown">Who signs as the new one.</param>
internal sealed record GroupKey(DirectoryEntryKind Kind, int Key, int Voucher, int Shown);
