using System.Text.Json;
using KeyService.Crypto.Logs;
using KeyService.Tests.Logs;

namespace KeyService.IntegrationTests.Interop;

/// <summary>The verifier in Python and this one over the same exports, whole and tampered with: one verdict.</summary>
public sealed class PythonExportTests : IAsyncLifetime
{
    private const int Count = 300;

    private readonly PythonImplementation _python = new();
    private int _number;

    public async ValueTask InitializeAsync() => await PythonImplementation.RequireAsync();

    public ValueTask DisposeAsync()
    {
        _python.Dispose();
        return ValueTask.CompletedTask;
    }

    public static TheoryData<string> Changes => new(All.Keys);

    private static Dictionary<string, Action<SampleExport>> All { get; } = new(StringComparer.Ordinal)
    {
        ["nothing"] = _ => { },
        ["a record edited"] = export => Edit(export, records => records[270] = SampleExport.RecordOf(0, 270, "edited"), careful: false),
        ["a record and the tiles edited"] = export => Edit(export, records => records[7] = SampleExport.RecordOf(0, 7, "edited"), careful: true),
        ["a record dropped"] = export => Edit(export, records => records.RemoveAt(255), careful: false),
        ["the last record dropped"] = export => Edit(export, records => records.RemoveAt(Count - 1), careful: true),
        ["two swapped"] = export => Edit(export, records => (records[3], records[4]) = (records[4], records[3]), careful: true),
        ["one of another slot inserted"] = export => Edit(export, records => records.Insert(5, SampleExport.RecordOf(1, 5)), careful: true),
        ["a bundle missing"] = export => export.Files.Remove("slot/0/tile/records/000"),
        ["a bundle cut"] = export => export.Files["slot/0/tile/records/000"] = export.Files["slot/0/tile/records/000"][..^1],
        ["a tile edited"] = export => export.Files["slot/0/tile/1/000.p/1"][3] ^= 1,
        ["a tile missing"] = export => export.Files.Remove("slot/0/tile/0/001.p/44"),
        ["an entry of the directory edited"] = export => export.Rewrite("directory", [.. export.Entries[..^1], DirectoryEntry.Of(DirectoryEntryKind.Seal, 1, 1, 3, new byte[32]).Encode()], careful: true),
        ["a key exchanged"] = export => export.Files["keys"] = System.Text.Encoding.ASCII.GetBytes($"{Other.Verifier}\n"),
        ["a signature of another key"] = export => export.Files["directory/checkpoint"] = Other.Files["directory/checkpoint"],
        ["a slot's checkpoint of another key"] = export => export.Files["slot/0/checkpoint"] = Other.Files["slot/0/checkpoint"],
        ["a slot's checkpoint missing"] = export => export.Files.Remove("slot/1/checkpoint"),
        ["no directory"] = export => export.Files.Remove("directory/checkpoint"),
        ["no keys"] = export => export.Files.Remove("keys"),
        ["a file more"] = export => export.Files["slot/7/checkpoint"] = [1],
        ["a cosigned checkpoint of another history"] = export => export.Files["directory/witnessed"] = SampleExport.Sign(SampleExport.Names.Directory, 4, new byte[32], SampleExport.Hsm).ToArray(),
        ["a cosigned checkpoint of this one"] = export => export.Files["directory/witnessed"] = export.DirectoryNote(4).ToArray(),
    };

    private static SampleExport Other => SampleExport.Of(Count, Stranger);

    private static readonly System.Security.Cryptography.ECDsa Stranger = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Both_say_the_same_of(string change)
    {
        SampleExport export = SampleExport.Of(Count);
        int entries = export.Entries.Count;
        All[change](export);
        string mine = await DemandSameAsync(export);
        Assert.Equal(change is "nothing" or "a cosigned checkpoint of this one", mine == "consistent; completeness not proven");

        // An older checkpoint that somebody holds, the newest, one of another history, one of a longer log.
        foreach (SignedNote held in new[]
        {
            export.DirectoryNote(6), export.DirectoryNote(entries),
            SampleExport.Sign(SampleExport.Names.Directory, 6, new byte[32], SampleExport.Hsm), SampleExport.Sign(SampleExport.Names.Directory, entries + 1, new byte[32], SampleExport.Hsm),
            SampleExport.Sign(SampleExport.Names.Slot(0), 200, SampleExport.TreeOf(SampleExport.Records(0, 200)).Root(200), SampleExport.Hsm),
        }.Take(change == "nothing" ? 5 : 2))
        {
            await DemandSameAsync(export, held);
        }
    }

    public static TheoryData<string> Groups => new(GroupExport.All.Keys);

    [Theory]
    [MemberData(nameof(Groups))]
    public async Task Both_say_the_same_of_keys_of_several_tokens(string group)
    {
        string mine = await DemandSameAsync(GroupExport.Of(group));
        Assert.Equal(GroupExport.All[group].Holds, mine == "consistent; completeness not proven");
    }

    [Fact]
    public async Task Both_read_an_export_that_begins_later()
    {
        SampleExport export = SampleExport.Of(Count);
        foreach (string path in export.Files.Keys.Where(path => path.StartsWith("slot/0/", StringComparison.Ordinal)).ToList())
        {
            export.Files.Remove(path);
        }
        export.WriteSlot(0, SampleExport.Records(0, Count), start: 256);
        Assert.Equal("consistent; complete up to the checkpoint held elsewhere", await DemandSameAsync(export, export.DirectoryNote(export.Entries.Count)));
        byte[] start = export.Files["slot/0/start"];
        start[10] = start[10] == 'A' ? (byte)'B' : (byte)'A';
        Assert.Equal("not consistent", await DemandSameAsync(export));
    }

    private async Task<string> DemandSameAsync(SampleExport export, params SignedNote[] held)
    {
        string directory = _python.PathOf($"export-{_number++}");
        foreach ((string path, byte[] bytes) in export.Files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(directory, path))!);
            await File.WriteAllBytesAsync(Path.Combine(directory, path), bytes);
        }
        await File.WriteAllTextAsync(_python.PathOf("vkey"), $"{export.Verifier}\n");
        List<string> arguments = ["audit", "verify", "--key", _python.PathOf("vkey")];
        foreach (SignedNote note in held)
        {
            await File.WriteAllBytesAsync(_python.PathOf("held"), note.ToArray());
            arguments.AddRange(["--checkpoint", _python.PathOf("held")]);
        }
        CommandResult theirs = await PythonImplementation.RunAsync([], [.. arguments, directory]);
        ExportReport mine = ExportVerification.Run(export.AsFiles, new ExportTrust([export.Verifier], held, null));
        Assert.True(theirs.ExitCode == (mine.Consistent ? 0 : 4), theirs.Text + theirs.Error);
        JsonElement answer = JsonDocument.Parse(theirs.Text).RootElement;
        Assert.Equal(mine.Verdict, answer.GetProperty("verdict").GetString());
        if (mine.Consistent)
        {
            Assert.Equal(
                mine.Slots.Select(log => (log.Start, log.Size, log.HeldSize)),
                answer.GetProperty("logs").EnumerateArray().Select(log => (log.GetProperty("start").GetInt64(), log.GetProperty("size").GetInt64(), log.GetProperty("heldSize").GetInt64())));
        }
        return mine.Verdict;
    }

    private static void Edit(SampleExport export, Action<List<byte[]>> change, bool careful)
    {
        List<byte[]> records = SampleExport.Records(0, Count);
        change(records);
        export.Rewrite("slot/0", records, careful);
    }
}
