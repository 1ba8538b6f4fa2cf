using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Audit;

/// <summary>
/// Hands in the database, at every row of a small log: what the server's own verification finds, what an export finds beyond it, and what
/// neither can, because it stands behind the last mark and the last checkpoint.
/// </summary>
public sealed class StoreTamperTests : IAsyncLifetime
{
    private SignedStore _signed = null!;
    private byte[] _whole = [];
    private long _marked;
    private long _checkpointed;
    private long _count;

    public enum Change
    {
        EditRecord,
        EditLeafHash,
        Drop,
        ReplaceByNeighbour,
        SwapWithNext,
        CutOffFromHere,

        /// <summary>The record and its hash, as the service would have written them.</summary>
        Forge,

        /// <summary>Dropped, and everything behind renumbered and hashed anew.</summary>
        ForgeDrop,

        /// <summary>One more, and everything behind renumbered and hashed anew.</summary>
        ForgeInsert,
    }

    public async ValueTask InitializeAsync()
    {
        _signed = await SignedStore.CreateAsync();
        await AppendAsync(4);
        using (var marker = new AuditMarker(new AuditLog(_signed.Store), _signed.Store, _signed.Rows, _signed.Time, NullLogger<AuditMarker>.Instance))
        {
            await marker.MarkAsync(CancellationToken.None);
        }

        _marked = _signed.File.Ask<long>("SELECT marked_size FROM audit_slots");
        await _signed.SignAsync(4);
        _checkpointed = _signed.File.Ask<long>("SELECT max(size) FROM audit_checkpoints WHERE log = 0");
        await AppendAsync(3);
        _count = _signed.Store.LastSequence + 1;
        await _signed.Store.DisposeAsync();
        _whole = await File.ReadAllBytesAsync(_signed.File.Path);
        await _signed.RestartAsync();
    }

    public ValueTask DisposeAsync() => _signed.DisposeAsync();

    [Theory]
    [InlineData(Change.EditRecord)]
    [InlineData(Change.EditLeafHash)]
    [InlineData(Change.Drop)]
    [InlineData(Change.ReplaceByNeighbour)]
    [InlineData(Change.SwapWithNext)]
    [InlineData(Change.CutOffFromHere)]
    [InlineData(Change.Forge)]
    [InlineData(Change.ForgeDrop)]
    [InlineData(Change.ForgeInsert)]
    public async Task Each_row_at_each_place(Change change)
    {
        Assert.True(_marked < _checkpointed && _checkpointed < _count);
        for (var at = 0L; at < _count; at++)
        {
            await RestoreAsync();
            if (!await ApplyAsync(change, at))
            {
                continue;
            }

            var report = await VerifyAsync();
            var exported = await ExportedAsync();
            var where = $"{change} at {at} of {_count}, marked {_marked}, signed {_checkpointed}: {string.Join("; ", report)} / {exported}";
            // Whoever keeps hashes and numbers right is found below the mark by the server, below the checkpoint by whoever verifies an export,
            // and nowhere behind it: so far reaches what is proven.
            var careful = change is Change.Forge or Change.ForgeDrop or Change.ForgeInsert or Change.CutOffFromHere;
            Assert.True((report.Count > 0) == (!careful || at < _marked), where);
            Assert.True((exported is not null) == (at < _checkpointed && change != Change.EditLeafHash), where);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_directory_whose_entry_was_dropped_edited_swapped_or_cut_is_found(int change)
    {
        var count = await DirectoryCountAsync();
        for (var at = 0L; at < count; at++)
        {
            await RestoreAsync();
            await _signed.Store.DisposeAsync();
            var changed = change switch
            {
                0 => _signed.File.Edit($"DELETE FROM audit_directory WHERE sequence = {at}"),
                1 => _signed.File.Edit($"UPDATE audit_directory SET entry = zeroblob(54) WHERE sequence = {at}"),
                2 when at + 1 < count => SwapEntries(at),
                3 => _signed.File.Edit($"DELETE FROM audit_directory WHERE sequence >= {at}"),
                _ => 0,
            };
            await _signed.RestartAsync();
            if (changed > 0)
            {
                Assert.NotNull(await ExportedAsync());
            }
        }
    }

    private int SwapEntries(long at) => _signed.File.Edit(
        $"""
        UPDATE audit_directory SET sequence = 1000000 WHERE sequence = {at};
        UPDATE audit_directory SET sequence = {at} WHERE sequence = {at + 1};
        UPDATE audit_directory SET sequence = {at + 1} WHERE sequence = 1000000;
        """);

    private async Task<long> DirectoryCountAsync() => await _signed.Store.ReadAsync(DirectoryLog.CountAsync, CancellationToken.None);

    private async Task RestoreAsync()
    {
        await _signed.Store.DisposeAsync();
        foreach (var beside in Directory.GetFiles(_signed.File.Folder))
        {
            File.Delete(beside);
        }

        await File.WriteAllBytesAsync(_signed.File.Path, _whole);
        await _signed.RestartAsync();
    }

    private async Task<bool> ApplyAsync(Change change, long at)
    {
        var log = await new AuditLog(_signed.Store, 0).ReadAsync(0, long.MaxValue, CancellationToken.None);
        await _signed.Store.DisposeAsync();
        var records = log.Select(entry => entry.Record).ToList();
        var done = change switch
        {
            Change.EditRecord => Write(at, Flipped(records[(int)at]), log[(int)at].LeafHash),
            Change.EditLeafHash => Write(at, records[(int)at], new byte[32]),
            Change.Drop when at + 1 < _count => _signed.File.Edit($"DELETE FROM audit_records WHERE sequence = {at}"),
            Change.ReplaceByNeighbour => Write(at, log[(int)(at ^ 1) % log.Count].Record, log[(int)(at ^ 1) % log.Count].LeafHash),
            Change.SwapWithNext when at + 1 < _count => Write(at, log[(int)at + 1].Record, log[(int)at + 1].LeafHash) + Write(at + 1, log[(int)at].Record, log[(int)at].LeafHash),
            Change.CutOffFromHere when at > 0 => _signed.File.Edit($"DELETE FROM audit_records WHERE sequence >= {at}"),
            Change.Forge => Rewrite([.. records.Select((record, i) => i == at ? Forged(record) : record)], at),
            Change.ForgeDrop when at + 1 < _count => Rewrite([.. records.Where((_, i) => i != at)], at),
            Change.ForgeInsert => Rewrite([.. records.Take((int)at), Forged(records[(int)at]), .. records.Skip((int)at)], at),
            _ => 0,
        };
        await _signed.RestartAsync();
        return done > 0;
    }

    private int Rewrite(List<byte[]> records, long from)
    {
        _signed.File.Edit($"DELETE FROM audit_records WHERE sequence >= {from}");
        var done = 0;
        for (var i = (int)from; i < records.Count; i++)
        {
            Assert.True(AuditRecord.TryParse(records[i], out var record));
            var renumbered = (record! with { Sequence = (ulong)i }).Encode();
            done += _signed.File.Edit($"INSERT INTO audit_records (slot, sequence, record, leaf_hash) VALUES (0, {i}, x'{Convert.ToHexString(renumbered)}', x'{Convert.ToHexString(AuditRecord.LeafHash(renumbered))}')");
        }

        // The head that the server goes by at its start.
        return done + 1;
    }

    private int Write(long at, byte[] record, byte[] leafHash) => _signed.File.Edit(
        $"UPDATE audit_records SET record = x'{Convert.ToHexString(record)}', leaf_hash = x'{Convert.ToHexString(leafHash)}' WHERE sequence = {at}");

    private static byte[] Flipped(byte[] record) => [.. record[..^1], (byte)(record[^1] ^ 1)];

    private static byte[] Forged(byte[] record) => AuditRecord.TryParse(record, out var parsed)
        ? (parsed! with { Detail = "forged" }).Encode() : throw new InvalidOperationException();

    private async Task<IReadOnlyList<AuditFinding>> VerifyAsync()
    {
        await using var reader = SqliteStore.Open(_signed.File.Options with { Mode = StoreMode.ReadOnly }, _signed.Time);
        return (await new AuditVerification(new AuditLog(reader, 0), reader, _signed.Rows).RunAsync(CancellationToken.None)).Findings;
    }

    // What an export of the store says; null when it is consistent.
    private async Task<string?> ExportedAsync()
    {
        var files = new Dictionary<string, byte[]> { [ExportFiles.Keys] = System.Text.Encoding.ASCII.GetBytes($"{_signed.Verifier}\n") };
        try
        {
            await WriteAsync(files, SignedLog.Directory, ExportFiles.Directory);
            await WriteAsync(files, 0, ExportFiles.Slot(0));
        }
        catch (StoreTamperedException e)
        {
            return e.Message;
        }

        var report = ExportVerification.Run(new ExportFiles(files.GetValueOrDefault, () => files.Keys), new ExportTrust([_signed.Verifier], [], null));
        return report.Consistent ? null : report.Findings[0].Text;
    }

    private async Task WriteAsync(Dictionary<string, byte[]> files, int log, string folder)
    {
        var export = new LogExport(_signed.Store, log);
        var (size, note) = (await export.CheckpointAsync(0, long.MaxValue, CancellationToken.None))!.Value;
        files[$"{folder}/{ExportFiles.Checkpoint}"] = note;
        var tiles = new TileBuilder((path, hashes) => files[$"{folder}/{path}"] = hashes.ToArray());
        using var bundle = new MemoryStream();
        await foreach (var page in export.PagesAsync(0, size, CancellationToken.None))
        {
            foreach (var entry in page)
            {
                LogTiles.AppendEntry(bundle, entry);
                tiles.Append(MerkleHash.Leaf(entry));
            }
        }

        tiles.Finish();
        files[$"{folder}/{LogTiles.BundlePath(0, (int)size)}"] = bundle.ToArray();
    }

    private async Task AppendAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await _signed.Store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = $"record {i}" }, null, CancellationToken.None);
        }
    }
}
