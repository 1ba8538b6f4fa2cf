using System.Collections.Concurrent;
using System.Diagnostics;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.IntegrationTests.Storage;

/// <summary>
/// Callers that commit without a pause, records alone and with changes, and keep account: what was acknowledged, what failed, what a cache
/// that follows commits holds.
/// </summary>
internal sealed class StoreLoad : IAsyncDisposable
{
    private readonly IStore _store;
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<string, CommitReceipt> _acknowledged = new();
    private readonly ConcurrentDictionary<string, int> _cache = new();
    private readonly ConcurrentDictionary<string, byte> _changes = new();
    private readonly ConcurrentQueue<Exception> _failures = new();
    private readonly Task[] _callers;
    private readonly string _name;
    private long _longest;

    /// <param name="store">What they commit to.</param>
    /// <param name="callers">How many they are.</param>
    /// <param name="name">Tells the commits of two loads on one database apart.</param>
    public StoreLoad(IStore store, int callers = 8, string name = "")
    {
        _store = store;
        _name = name;
        _callers = [.. Enumerable.Range(0, callers).Select(caller => Task.Run(() => CallAsync(caller)))];
    }

    public IReadOnlyCollection<Exception> Failures => _failures;

    public int Acknowledged => _acknowledged.Count;

    /// <summary>The longest that a call which succeeded took.</summary>
    public TimeSpan Longest => TimeSpan.FromTicks(Volatile.Read(ref _longest));

    /// <summary>Waits until this many more calls were acknowledged.</summary>
    public async Task ProgressAsync(int more)
    {
        var until = Acknowledged + more;
        var begun = Stopwatch.GetTimestamp();
        while (Acknowledged < until)
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, $"The load stands still: {string.Join('\n', _failures.TakeLast(3))}");
            await Task.Delay(5);
        }
    }

    public async Task FailedAsync()
    {
        var begun = Stopwatch.GetTimestamp();
        while (_failures.IsEmpty)
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, "No call fails.");
            await Task.Delay(5);
        }
    }

    public async Task EndAsync()
    {
        await _end.CancelAsync();
        await Task.WhenAll(_callers);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _end.Dispose();
    }

    /// <summary>Compares with what the store holds; call it when the load has ended.</summary>
    public async Task VerifyAsync()
    {
        var log = (await _store.ReadAsync(
            connection => connection.QueryAsync<(long Slot, long Sequence, byte[] Record, byte[] LeafHash)>(
                "SELECT slot, sequence, record, leaf_hash FROM audit_records ORDER BY slot, sequence"), CancellationToken.None)).AsList();
        foreach (var slot in log.GroupBy(entry => entry.Slot))
        {
            Assert.Equal(Enumerable.Range(0, slot.Count()).Select(i => (long)i), slot.Select(entry => entry.Sequence));
        }

        var recorded = new Dictionary<string, (long Slot, long Sequence)>();
        foreach (var entry in log)
        {
            Assert.Equal(AuditRecord.LeafHash(entry.Record), entry.LeafHash);
            Assert.True(AuditRecord.TryParse(entry.Record, out var record));
            Assert.True(recorded.TryAdd(record!.Detail!, (entry.Slot, entry.Sequence)), $"{record.Detail} is recorded twice.");
        }

        Assert.All(_acknowledged, each => Assert.Equal((each.Value.Slot, each.Value.Sequence), recorded[each.Key]));

        // A change stands exactly when its record does, and the cache holds exactly what stands.
        var standing = (await _store.ReadAsync(
            connection => connection.QueryAsync<string>("SELECT token_id FROM integrity_key_blobs"), CancellationToken.None)).Order(StringComparer.Ordinal);
        Assert.Equal(recorded.Keys.Where(_changes.ContainsKey).Order(StringComparer.Ordinal), standing);
        Assert.Equal(standing, _cache.Keys.Order(StringComparer.Ordinal));
        Assert.All(_cache, each => Assert.Equal(1, each.Value));
    }

    private async Task CallAsync(int caller)
    {
        for (var i = 0; !_end.IsCancellationRequested; i++)
        {
            var name = $"{_name}{caller}/{i:d6}";
            var changes = i % 3 == 0;
            if (changes)
            {
                _changes[name] = 0;
            }

            var begun = Stopwatch.GetTimestamp();
            try
            {
                _acknowledged[name] = await _store.CommitAsync(
                    new AuditRecordDraft(AuditEvent.StatusRead) { Detail = name }, changes ? transaction => ChangeAsync(transaction, name) : null, CancellationToken.None);
                var took = Stopwatch.GetElapsedTime(begun).Ticks;
                for (var seen = Volatile.Read(ref _longest); took > seen; seen = Volatile.Read(ref _longest))
                {
                    Interlocked.CompareExchange(ref _longest, took, seen);
                }
            }
            catch (Exception e)
            {
                _failures.Enqueue(e);
                // As a caller would that was told to come again.
                await Task.Delay(20);
            }
        }
    }

    private async Task ChangeAsync(IStoreTransaction transaction, string name)
    {
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES (@name, @blob, @blob, 0)",
            new { name, blob = new byte[41] }, transaction.Transaction);
        transaction.OnCommitted(() => _cache.AddOrUpdate(name, 1, (_, count) => count + 1));
    }
}
