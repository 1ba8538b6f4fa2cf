using System.Data.Common;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>A store in front of the real one, where something happens between one read and the next.</summary>
internal sealed class InterruptedStore(IStore inner) : IStore
{
    public Func<Task>? AfterNextRead { get; set; }

    public int Slot => inner.Slot;

    public long LastSequence => inner.LastSequence;

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        var answer = await inner.ReadAsync(read, cancellationToken);
        if (AfterNextRead is { } then)
        {
            AfterNextRead = null;
            await then();
        }

        return answer;
    }

    public Task<CommitReceipt> CommitAsync(AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken) =>
        inner.CommitAsync(record, change, cancellationToken);

    public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) => inner.WaitForRecordAsync(sequence, cancellationToken);

    public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => inner.TryTakeRoleAsync(role, cancellationToken);

    public ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    public ValueTask DisposeAsync() => default;
}
