using System.Security.Cryptography;
using KeyService.Crypto.Logs;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Audit;

/// <summary>Checkpoints of a log in SQLite, signed by a key in software.</summary>
public sealed class CheckpointsTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly LogNames _names = LogNames.Of(new byte[16]);
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        await AppendAsync(5);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
        _key.Dispose();
    }

    [Fact]
    public async Task The_first_checkpoint_leases_the_slot_and_covers_what_stands_there()
    {
        var checkpoints = Make();
        await checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        var directory = await DirectoryAsync();
        Assert.Equal([(DirectoryEntryKind.Lease, 0L), (DirectoryEntryKind.Checkpoint, 6L)], directory.Select(entry => (entry.Kind, entry.Size)));
        Assert.Equal(0, checkpoints.Unsigned);
        Assert.Equal(6, checkpoints.SignedSize);
        await DemandSignedAsync();
    }

    [Fact]
    public async Task A_log_that_grows_is_signed_again_and_one_that_does_not_is_not()
    {
        var checkpoints = Make();
        await checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        await AppendAsync(3);
        Assert.Equal(3, checkpoints.Unsigned);
        await checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        Assert.Equal(0, checkpoints.Unsigned);
        Assert.Equal([6L, 11L], (await NotesAsync(0)).Select(checkpoint => checkpoint.Size));
        Assert.Equal([2L, 3L], (await NotesAsync(SignedLog.Directory)).Select(checkpoint => checkpoint.Size));
        await DemandSignedAsync();
    }

    [Fact]
    public async Task A_server_that_stops_seals_its_slot_and_the_next_one_leases_it_where_it_was_signed()
    {
        await Make().MakeAsync(sealing: true, CancellationToken.None);
        await AppendAsync(1);
        await Make().MakeAsync(sealing: false, CancellationToken.None);
        var directory = await DirectoryAsync();
        Assert.Equal(
            [DirectoryEntryKind.Lease, DirectoryEntryKind.Checkpoint, DirectoryEntryKind.Seal, DirectoryEntryKind.Lease, DirectoryEntryKind.Checkpoint],
            directory.Select(entry => entry.Kind));
        Assert.Equal(directory[2].Value.ToArray(), directory[3].Value.ToArray());
        await DemandSignedAsync();
    }

    [Theory]
    [InlineData("DELETE FROM audit_records WHERE sequence >= 3", "it was cut")]
    [InlineData("DELETE FROM audit_directory WHERE sequence >= 1", "it was cut")]
    [InlineData("UPDATE signed_logs SET size = 0, frontier = x'' WHERE log = 0", "signed_logs")]
    [InlineData("DELETE FROM signed_logs", "the row is missing")]
    [InlineData("DELETE FROM audit_checkpoints WHERE log = -1; INSERT INTO audit_checkpoints VALUES (-1, 1, x'00', 0)", "the last checkpoint is of 1")]
    public async Task What_was_cut_or_put_back_is_not_signed_over(string sql, string finding)
    {
        await Make().MakeAsync(sealing: false, CancellationToken.None);
        await _store.DisposeAsync();
        _file.Edit(sql);
        _store = _file.Open(_time);
        await AppendAsync(1);
        var found = await Assert.ThrowsAsync<StoreTamperedException>(() => Make().MakeAsync(sealing: false, CancellationToken.None));
        Assert.Contains(finding, found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_that_was_rewritten_while_a_server_ran_is_not_signed_on()
    {
        var checkpoints = Make();
        await checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        // Another server's signature over another history: the MACs are right, the beginning is not.
        _file.Edit("UPDATE audit_directory SET entry = (SELECT entry FROM audit_directory WHERE sequence = 1) WHERE sequence = 0; DELETE FROM signed_logs WHERE log = -1; DELETE FROM audit_checkpoints WHERE log = -1");
        await AppendAsync(1);
        await Assert.ThrowsAsync<StoreTamperedException>(() => checkpoints.MakeAsync(sealing: false, CancellationToken.None));
    }

    [Fact]
    public async Task A_failing_signature_costs_no_call_and_is_made_up_for()
    {
        var works = false;
        var checkpoints = Make(() => works ? null : new InvalidOperationException("the token is away"));
        await Assert.ThrowsAsync<InvalidOperationException>(() => checkpoints.MakeAsync(sealing: false, CancellationToken.None));
        await AppendAsync(2);
        works = true;
        await checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        Assert.Equal(8, checkpoints.SignedSize);
        await DemandSignedAsync();
    }

    [Fact]
    public async Task Two_servers_that_sign_the_directory_sign_one_history()
    {
        var first = Make();
        await first.MakeAsync(sealing: false, CancellationToken.None);
        await Make().MakeAsync(sealing: false, CancellationToken.None);
        await AppendAsync(1);
        await Assert.ThrowsAsync<StoreTamperedException>(() => first.MakeAsync(sealing: false, CancellationToken.None));
        await DemandSignedAsync();
    }

    [Fact]
    public async Task The_worker_signs_at_start_after_10000_records_and_at_the_end()
    {
        var log = new AuditLog(_store);
        using var worker = new CheckpointWorker(
            Make(), log, new AlarmOutlet(NullLogger<AlarmOutlet>.Instance), _time, NullLogger<CheckpointWorker>.Instance);
        await worker.StartAsync(CancellationToken.None);
        Assert.Equal([6L], (await NotesAsync(0)).Select(checkpoint => checkpoint.Size));
        foreach (var batch in Enumerable.Range(0, (int)CheckpointWorker.Interval + 10).Chunk(500))
        {
            await Task.WhenAll(batch.Select(_ => AppendAsync(1)));
        }

        while ((await NotesAsync(0)).Count < 2)
        {
            await Task.Delay(10);
        }

        await worker.StopAsync(CancellationToken.None);
        Assert.Equal(DirectoryEntryKind.Seal, (await DirectoryAsync())[^1].Kind);
        await DemandSignedAsync();
    }

    private Checkpoints Make(Func<Exception?>? fault = null) => new(
        new AuditLog(_store), _store, _rows,
        new CheckpointKeys(_ => new CheckpointSigner(
            _ => ValueTask.FromResult(_key.ExportSubjectPublicKeyInfo()),
            (digest, _) => fault?.Invoke() is { } exception
                ? ValueTask.FromException<byte[]>(exception)
                : ValueTask.FromResult(_key.SignHash(digest.ToArray(), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)))));

    // Every note verifies and every root is that of what stands in the store.
    private async Task DemandSignedAsync()
    {
        var directory = new MerkleTree();
        foreach (var entry in await DirectoryAsync())
        {
            directory.Append(MerkleHash.Leaf(entry.Encode()));
        }

        var slot = new MerkleTree();
        while (await new AuditLog(_store).ReadAsync(slot.Size, long.MaxValue, CancellationToken.None) is { Count: > 0 } page)
        {
            page.ForEach(entry => slot.Append(MerkleHash.Leaf(entry.Record)));
        }

        Assert.All(await NotesAsync(SignedLog.Directory), checkpoint => Assert.Equal(directory.Root(checkpoint.Size), checkpoint.Root));
        Assert.All(await NotesAsync(0), checkpoint => Assert.Equal(slot.Root(checkpoint.Size), checkpoint.Root));
        Assert.All(await DirectoryAsync(), entry => Assert.Equal(slot.Root(entry.Size), entry.Value.ToArray()));
        Assert.Equal(directory.Size, (await NotesAsync(SignedLog.Directory))[^1].Size);
    }

    private async Task<IReadOnlyList<DirectoryEntry>> DirectoryAsync() =>
        [.. (await _store.ReadAsync(connection => DirectoryLog.ReadAsync(connection, 0, long.MaxValue), CancellationToken.None))
            .Select(row => DirectoryEntry.TryParse(row.Entry, out var entry) ? entry! : throw new InvalidOperationException())];

    private async Task<IReadOnlyList<Checkpoint>> NotesAsync(int log)
    {
        var origin = log == SignedLog.Directory ? _names.Directory : _names.Slot(log);
        var key = NoteVerifier.Create(origin, NoteAlgorithm.Ecdsa, _key.ExportSubjectPublicKeyInfo());
        var notes = await _store.ReadAsync(
            connection => Dapper.SqlMapper.QueryAsync<byte[]>(connection, "SELECT note FROM audit_checkpoints WHERE log = @log ORDER BY size", new { log = (long)log }), CancellationToken.None);
        return [.. notes.Select(bytes =>
        {
            Assert.True(SignedNote.TryParse(bytes, out var note) && key.Signed(note!));
            Assert.True(Checkpoint.TryParse(note!.Text, out var checkpoint));
            Assert.Equal(origin, checkpoint!.Origin);
            return checkpoint;
        })];
    }

    private async Task AppendAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await _store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = $"record {i}" }, null, CancellationToken.None);
        }
    }
}
