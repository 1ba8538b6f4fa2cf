using System.Data.Common;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Fuzz.Targets;

/// <summary>A log that only counts its records.</summary>
internal sealed class CountingStore : IStore
{
    private long _records;

    public int Slot => 0;

    public long LastSequence => Records - 1;

    public long Records => Interlocked.Read(ref _records);

    public Task<CommitReceipt> CommitAsync(AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken) =>
        Task.FromResult(new CommitReceipt(0, Interlocked.Increment(ref _records) - 1, DateTimeOffset.UnixEpoch));

    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken) => new(new StoreHealth(true, "", TimeSpan.Zero));

    public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => default;
}
