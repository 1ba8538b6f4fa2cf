using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

/// <summary>
/// What every store promises, whatever database stands under it. An implementation joins by deriving and opening itself; a test here may
/// use only SQL that all of them understand.
/// </summary>
public abstract class StoreContract : IAsyncLifetime
{
    private IStore _store = null!;

    /// <summary>Opens the same, at first empty, store at each call.</summary>
    private protected abstract ValueTask<IStore> OpenAsync();

    /// <summary>Slows or stops the writer until the answer is disposed, so that a test can queue behind it.</summary>
    private static async Task<Gate> OccupyWriterAsync(IStore store)
    {
        var gate = new Gate();
        gate.Commit = store.CommitAsync(Draft("occupy"), _ => { gate.Entered.SetResult(); return gate.Open.Task; }, CancellationToken.None);
        await gate.Entered.Task;
        return gate;
    }

    public async ValueTask InitializeAsync() => _store = await OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task An_empty_log_has_last_sequence_minus_one_and_the_first_record_is_zero()
    {
        Assert.Equal(-1, _store.LastSequence);
        var receipt = await _store.CommitAsync(Draft("first"), null, CancellationToken.None);
        Assert.Equal(0, receipt.Sequence);
        Assert.Equal(0, _store.LastSequence);
    }

    [Fact]
    public async Task A_record_stands_in_the_log_as_it_was_drafted_with_slot_sequence_time_and_leaf_hash()
    {
        var draft = Draft("detail of the record");
        draft.Principal = "ehr-database";
        draft.Key = "ehr/records";
        draft.KeyVersion = new KeyVersionId(0x0123456789abcdef);
        draft.ItemCount = 17;
        var receipt = await _store.CommitAsync(draft, null, CancellationToken.None);
        var (bytes, leafHash) = Assert.Single(await LogAsync());
        Assert.True(AuditRecord.TryParse(bytes, out var record));
        Assert.Equal((uint)receipt.Slot, record!.Slot);
        Assert.Equal((ulong)receipt.Sequence, record.Sequence);
        Assert.Equal(UnixTime.Nanoseconds(receipt.Time), record.TimeUnixNanoseconds);
        Assert.Equal((ushort)AuditEvent.StatusRead, record.EventId);
        Assert.Equal("ehr-database", record.Principal);
        Assert.Equal("ehr/records", record.Key);
        Assert.Equal(draft.KeyVersion, record.KeyVersion);
        Assert.Equal(17UL, record.ItemCount);
        Assert.Equal("detail of the record", record.Detail);
        Assert.Equal(AuditRecord.LeafHash(bytes), leafHash);
    }

    [Fact]
    public async Task Concurrent_commits_get_each_their_own_sequence_number_without_gaps()
    {
        const int Callers = 16, Each = 50;
        var receipts = await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            var mine = new List<long>();
            for (var i = 0; i < Each; i++)
            {
                mine.Add((await _store.CommitAsync(Draft($"{caller}/{i}"), null, CancellationToken.None)).Sequence);
            }

            return mine;
        })));
        Assert.All(receipts, mine => Assert.Equal(mine.Order(), mine));
        Assert.Equal(Enumerable.Range(0, Callers * Each).Select(i => (long)i), receipts.SelectMany(mine => mine).Order());
        Assert.Equal(Callers * Each, (await LogAsync()).Count);
    }

    [Fact]
    public async Task A_change_and_its_record_become_visible_together()
    {
        await _store.CommitAsync(Draft("insert"), transaction => InsertBlobAsync(transaction, "token-1"), CancellationToken.None);
        Assert.Equal(["token-1"], await BlobsAsync());
        Assert.Single(await LogAsync());
    }

    [Fact]
    public async Task A_change_may_fill_in_the_record_it_belongs_to()
    {
        var draft = Draft("");
        await _store.CommitAsync(draft, _ => { draft.Detail = "learned inside"; return Task.CompletedTask; }, CancellationToken.None);
        AuditRecord.TryParse((await LogAsync())[0].Bytes, out var record);
        Assert.Equal("learned inside", record!.Detail);
    }

    [Fact]
    public async Task A_change_that_throws_is_undone_alone_and_leaves_no_record_and_no_gap()
    {
        var gate = await OccupyWriterAsync(_store);
        var before = _store.CommitAsync(Draft("before"), transaction => InsertBlobAsync(transaction, "before"), CancellationToken.None);
        var failing = _store.CommitAsync(
            Draft("failing"),
            async transaction =>
            {
                await InsertBlobAsync(transaction, "undone");
                transaction.OnCommitted(() => throw new InvalidOperationException("told of what did not happen"));
                throw new FormatException("the change's own");
            },
            CancellationToken.None);
        var after = _store.CommitAsync(Draft("after"), transaction => InsertBlobAsync(transaction, "after"), CancellationToken.None);
        await gate.LetGoAsync();

        Assert.Equal("the change's own", (await Assert.ThrowsAsync<FormatException>(() => failing)).Message);
        Assert.Equal((await before).Sequence + 1, (await after).Sequence);
        Assert.Equal(["after", "before"], await BlobsAsync());
        Assert.Equal(3, (await LogAsync()).Count);
    }

    [Fact]
    public async Task Committed_actions_run_in_the_order_of_commits_before_their_caller_is_answered()
    {
        var order = new List<string>();
        var gate = await OccupyWriterAsync(_store);
        var commits = Enumerable.Range(0, 5).Select(i => _store.CommitAsync(
            Draft(""), transaction => { transaction.OnCommitted(() => order.Add($"{i}")); return Task.CompletedTask; }, CancellationToken.None)).ToArray();
        Assert.Empty(order);
        await gate.LetGoAsync();
        await commits[^1];
        Assert.Equal(["0", "1", "2", "3", "4"], order);
    }

    [Fact]
    public async Task A_change_sees_what_the_change_before_it_wrote_in_the_same_group()
    {
        var gate = await OccupyWriterAsync(_store);
        var first = _store.CommitAsync(Draft(""), transaction => InsertBlobAsync(transaction, "one"), CancellationToken.None);
        long seen = -1;
        var second = _store.CommitAsync(
            Draft(""),
            async transaction => seen = await transaction.Connection.ExecuteScalarAsync<long>(
                "SELECT count(*) FROM integrity_key_blobs", transaction: transaction.Transaction),
            CancellationToken.None);
        await gate.LetGoAsync();
        await Task.WhenAll(first, second);
        Assert.Equal(1, seen);
    }

    [Fact]
    public async Task A_commit_cancelled_while_it_waits_is_withdrawn()
    {
        using var cancel = new CancellationTokenSource();
        var gate = await OccupyWriterAsync(_store);
        var waiting = _store.CommitAsync(Draft("withdrawn"), null, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await gate.LetGoAsync();
        await _store.CommitAsync(Draft("last"), null, CancellationToken.None);
        Assert.Equal(2, (await LogAsync()).Count);
    }

    [Fact]
    public async Task A_commit_cancelled_after_the_writer_took_it_is_recorded_and_says_so()
    {
        using var cancel = new CancellationTokenSource();
        var receipt = await _store.CommitAsync(Draft("taken"), _ => cancel.CancelAsync(), cancel.Token);
        Assert.Equal(0, receipt.Sequence);
        Assert.Single(await LogAsync());
    }

    [Fact]
    public async Task A_token_cancelled_before_the_call_records_nothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _store.CommitAsync(Draft(""), null, new CancellationToken(canceled: true)));
        Assert.Empty(await LogAsync());
    }

    [Fact]
    public async Task A_read_sees_one_snapshot_however_long_it_takes()
    {
        var counts = await _store.ReadAsync(
            async connection =>
            {
                var before = await CountAsync(connection);
                await _store.CommitAsync(Draft("meanwhile"), transaction => InsertBlobAsync(transaction, "meanwhile"), CancellationToken.None);
                return (before, await CountAsync(connection));
            },
            CancellationToken.None);
        Assert.Equal((0, 0), counts);
        Assert.Single(await BlobsAsync());
    }

    [Fact]
    public async Task A_read_cannot_write()
    {
        await Assert.ThrowsAnyAsync<Exception>(() => _store.ReadAsync(
            connection => connection.ExecuteAsync("DELETE FROM integrity_key_blobs"), CancellationToken.None));
        Assert.Empty(await BlobsAsync());
    }

    [Fact]
    public async Task Who_waits_for_a_record_is_woken_by_its_commit()
    {
        var waiting = _store.WaitForRecordAsync(0, CancellationToken.None).AsTask();
        await _store.CommitAsync(Draft("zero"), null, CancellationToken.None);
        Assert.False(waiting.IsCompleted);
        await _store.CommitAsync(Draft("one"), null, CancellationToken.None);
        Assert.Equal(1, await waiting);
        Assert.Equal(1, await _store.WaitForRecordAsync(-1, CancellationToken.None));
    }

    [Fact]
    public async Task Who_waits_for_a_record_can_stop_waiting()
    {
        using var cancel = new CancellationTokenSource();
        var waiting = _store.WaitForRecordAsync(0, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task What_was_acknowledged_is_there_after_closing_and_opening()
    {
        await _store.CommitAsync(Draft(""), transaction => InsertBlobAsync(transaction, "kept"), CancellationToken.None);
        await _store.DisposeAsync();
        _store = await OpenAsync();
        Assert.Equal(0, _store.LastSequence);
        Assert.Equal(["kept"], await BlobsAsync());
        Assert.Equal(1, (await _store.CommitAsync(Draft(""), null, CancellationToken.None)).Sequence);
    }

    [Fact]
    public async Task Closing_commits_what_still_waits_and_refuses_what_comes_after()
    {
        var gate = await OccupyWriterAsync(_store);
        var waiting = _store.CommitAsync(Draft("waits"), null, CancellationToken.None);
        var closing = Task.Run(async () => await _store.DisposeAsync());
        await gate.LetGoAsync();
        await closing;
        Assert.Equal(1, (await waiting).Sequence);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => _store.CommitAsync(Draft(""), null, CancellationToken.None));
        _store = await OpenAsync();
        Assert.Equal(1, _store.LastSequence);
    }

    [Fact]
    public async Task A_draft_that_no_record_can_hold_fails_its_caller_alone()
    {
        var gate = await OccupyWriterAsync(_store);
        var bad = Draft("");
        bad.ContextDigest = new byte[31];
        var failing = _store.CommitAsync(bad, null, CancellationToken.None);
        var failingChange = _store.CommitAsync(bad, transaction => InsertBlobAsync(transaction, "undone"), CancellationToken.None);
        var good = _store.CommitAsync(Draft("good"), null, CancellationToken.None);
        await gate.LetGoAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => failing);
        await Assert.ThrowsAsync<InvalidOperationException>(() => failingChange);
        Assert.Equal(1, (await good).Sequence);
        Assert.Empty(await BlobsAsync());
    }

    [Fact]
    public async Task A_probe_of_a_good_store_is_healthy_and_writes_no_record()
    {
        var health = await _store.ProbeAsync(CancellationToken.None);
        Assert.True(health.Healthy, health.Detail);
        Assert.Empty(await LogAsync());
    }

    private protected static AuditRecordDraft Draft(string detail) => new(AuditEvent.StatusRead) { Detail = detail, Automated = true };

    private protected static Task InsertBlobAsync(IStoreTransaction transaction, string token) => transaction.Connection.ExecuteAsync(
        "INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES (@token, @blob, @blob, 0)",
        new { token, blob = new byte[41] }, transaction.Transaction);

    private static Task<int> CountAsync(DbConnection connection) => connection.ExecuteScalarAsync<int>("SELECT count(*) FROM integrity_key_blobs");

    private Task<List<string>> BlobsAsync() => _store.ReadAsync(
        async connection => (await connection.QueryAsync<string>("SELECT token_id FROM integrity_key_blobs ORDER BY token_id")).AsList(), CancellationToken.None);

    private Task<List<LogRow>> LogAsync() => _store.ReadAsync(
        async connection => (await connection.QueryAsync<LogRow>(
            "SELECT record AS Bytes, leaf_hash AS LeafHash FROM audit_records ORDER BY slot, sequence")).AsList(),
        CancellationToken.None);

    private sealed record LogRow(byte[] Bytes, byte[] LeafHash);

    private sealed class Gate
    {
        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Commit { get; set; } = Task.CompletedTask;

        public async Task LetGoAsync()
        {
            Open.SetResult();
            await Commit;
        }
    }
}
