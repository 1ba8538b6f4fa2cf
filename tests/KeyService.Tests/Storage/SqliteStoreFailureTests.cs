using Dapper;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Tests.Storage;

/// <summary>
/// The disk or the file fails under the writer. Faults are made by settings of the writer's own connection, which a new connection does not
/// have.
/// </summary>
public sealed class SqliteStoreFailureTests : IAsyncDisposable
{
    private readonly StoreFile _file = new();
    private readonly SqliteStore _store;

    public SqliteStoreFailureTests() => _store = SqliteStore.Open(_file.Options with { QueueCapacity = 4 }, new TestTime());

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task A_full_disk_fails_every_waiter_of_the_commit_and_the_store_heals()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var last = _store.CommitAsync(Draft(), async transaction => { entered.SetResult(); await open.Task; await FullDiskFromNowOn(transaction); }, CancellationToken.None);
        await entered.Task;
        var group = Enumerable.Range(0, 3).Select(_ => _store.CommitAsync(Draft(), null, CancellationToken.None)).ToArray();
        open.SetResult();
        Assert.Equal(0, (await last).Sequence);
        foreach (var waiter in group)
        {
            Assert.Contains("the disk is full", (await Assert.ThrowsAsync<StoreUnavailableException>(() => waiter)).Message, StringComparison.Ordinal);
        }

        Assert.Equal(0, _store.LastSequence);
        Assert.Equal(1, (await _store.CommitAsync(Draft(), null, CancellationToken.None)).Sequence);
        Assert.Equal([0L, 1L], (await new AuditLog(_store).ReadAsync(0, long.MaxValue, CancellationToken.None)).Select(each => each.Sequence));
    }

    [Fact]
    public async Task Health_says_why_the_store_cannot_be_written_and_says_when_it_can_again()
    {
        Assert.True((await _store.ProbeAsync(CancellationToken.None)).Healthy);
        await _store.CommitAsync(Draft(), ReadOnlyFromNowOn, CancellationToken.None);
        var health = await _store.ProbeAsync(CancellationToken.None);
        Assert.False(health.Healthy);
        Assert.Contains("cannot be written", health.Detail, StringComparison.Ordinal);
        Assert.True((await _store.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Fact]
    public async Task A_change_that_meets_the_failure_is_told_that_the_store_is_unavailable_and_leaves_nothing()
    {
        await _store.CommitAsync(Draft(), ReadOnlyFromNowOn, CancellationToken.None);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => _store.CommitAsync(
            Draft(),
            transaction => transaction.Connection.ExecuteAsync("INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES ('t', x'00', x'00', 0)"),
            CancellationToken.None));
        Assert.Equal(0, await _store.ReadAsync(connection => connection.ExecuteScalarAsync<int>("SELECT count(*) FROM integrity_key_blobs"), CancellationToken.None));
        Assert.Equal(0, _store.LastSequence);
    }

    [Fact]
    public async Task A_cache_that_cannot_follow_a_durable_change_fails_its_caller_alone()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => _store.CommitAsync(
            Draft(),
            transaction => { transaction.OnCommitted(() => throw new FormatException("cache")); return Task.CompletedTask; },
            CancellationToken.None));
        Assert.Equal(0, _store.LastSequence);
        Assert.Equal(1, (await _store.CommitAsync(Draft(), null, CancellationToken.None)).Sequence);
    }

    [Fact]
    public async Task A_full_queue_refuses_and_says_when_to_come_again()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var occupying = _store.CommitAsync(Draft(), _ => { entered.SetResult(); return open.Task; }, CancellationToken.None);
        await entered.Task;
        var waiting = Enumerable.Range(0, 4).Select(_ => _store.CommitAsync(Draft(), null, CancellationToken.None)).ToArray();
        var refusal = await Assert.ThrowsAsync<StoreOverloadedException>(() => _store.CommitAsync(Draft(), null, CancellationToken.None));
        Assert.True(refusal.RetryAfter > TimeSpan.Zero);
        open.SetResult();
        await occupying;
        await Task.WhenAll(waiting);
        Assert.Equal(4, _store.LastSequence);
    }

    [Fact]
    public async Task Health_notices_a_file_that_was_deleted_or_replaced_under_the_service()
    {
        Assert.True((await _store.ProbeAsync(CancellationToken.None)).Healthy);
        using var other = new StoreFile();
        await using (other.Open())
        {
        }

        File.Move(_file.Path, _file.Path + ".old");
        var deleted = await _store.ProbeAsync(CancellationToken.None);
        Assert.Contains("cannot be opened", deleted.Detail, StringComparison.Ordinal);
        Assert.False(deleted.Healthy);
        File.Copy(other.Path, _file.Path);
        File.Move(_file.Path + "-wal", _file.Path + "-wal.old");
        File.Move(_file.Path + "-shm", _file.Path + "-shm.old");
        var replaced = await _store.ProbeAsync(CancellationToken.None);
        Assert.Contains("it was replaced", replaced.Detail, StringComparison.Ordinal);
        Assert.False(replaced.Healthy);
    }

    [Fact]
    public async Task A_read_that_fails_does_not_hurt_the_next_one()
    {
        for (var i = 0; i < 10; i++)
        {
            await Assert.ThrowsAsync<FormatException>(() => _store.ReadAsync<int>(_ => throw new FormatException(), CancellationToken.None));
        }

        Assert.Equal(1, await _store.ReadAsync(connection => connection.ExecuteScalarAsync<int>("SELECT 1"), CancellationToken.None));
    }

    [Fact]
    public async Task A_reader_whose_file_is_gone_says_unavailable()
    {
        await _store.DisposeAsync();
        await using var reader = SqliteStore.Open(_file.Options with { Mode = StoreMode.ReadOnly }, new TestTime());
        File.Delete(_file.Path);
        await Assert.ThrowsAsync<StoreUnavailableException>(
            () => reader.ReadAsync(connection => connection.ExecuteScalarAsync<int>("SELECT 1"), CancellationToken.None));
    }

    private static AuditRecordDraft Draft() => new(AuditEvent.StatusRead) { Detail = new string('x', 4000) };

    private static Task FullDiskFromNowOn(IStoreTransaction transaction)
    {
        transaction.OnCommitted(() => transaction.Connection.Execute("PRAGMA max_page_count = 1"));
        return Task.CompletedTask;
    }

    private static Task ReadOnlyFromNowOn(IStoreTransaction transaction)
    {
        transaction.OnCommitted(() => transaction.Connection.Execute("PRAGMA query_only = ON"));
        return Task.CompletedTask;
    }
}
