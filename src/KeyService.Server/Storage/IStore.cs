using System.Data.Common;
using KeyService.Server.Audit;

namespace KeyService.Server.Storage;

/// <summary>
/// The one place where the service keeps anything: SQLite embedded now, PostgreSQL beside it later, both held to one contract suite.
/// </summary>
internal interface IStore : IAsyncDisposable
{
    /// <summary>Runs a read over one consistent snapshot, on a connection that cannot write.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot be read now.</exception>
    Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken);

    /// <summary>
    /// Makes an audit record durable, together with a change of state when one is given; concurrent calls share one transaction
    /// and one fsync. A change that throws is undone alone, its record is not written, and its exception comes out here. Changes run one
    /// after another on the writer: they do their SQL and MACs and nothing that waits for the network. A token cancelled before the
    /// writer took the record withdraws it; afterwards cancellation is ignored and the call ends when its commit does.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The commit failed; whether it stands is known after the store has healed.</exception>
    /// <exception cref="StoreOverloadedException">The queue of the writer is full; nothing was recorded.</exception>
    Task<CommitReceipt> CommitAsync(AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken);

    /// <summary>The log slot that this server writes.</summary>
    int Slot { get; }

    /// <summary>The last durable record of this server's slot, -1 when there is none.</summary>
    long LastSequence { get; }

    /// <summary>Completes with <see cref="LastSequence"/> when that is greater than <paramref name="sequence"/>.</summary>
    ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken);

    /// <summary>
    /// Takes a role that one server of the installation has at a time (rotation, retention, scrub); null while another has it. Dispose of
    /// it to give it back.
    /// </summary>
    /// <param name="role">1 to 64 characters of [a-z-].</param>
    Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken);

    /// <summary>Whether a newer version has brought the schema further than this one knows; it works with it all the same.</summary>
    bool IsAhead => false;

    /// <summary>What an operator should know of the store at each start, a sentence each.</summary>
    IReadOnlyList<string> Warnings => [];

    /// <summary>Whether the store can be read and written now, and if not, why.</summary>
    ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken);
}

/// <summary>Where a record stands in the log: its slot, its sequence number there (0 is the first), its time.</summary>
internal readonly record struct CommitReceipt(int Slot, long Sequence, DateTimeOffset Time);

/// <summary>State of the store. <paramref name="Detail"/> is one sentence, empty when healthy.</summary>
internal sealed record StoreHealth(bool Healthy, string Detail, TimeSpan ProbeLatency);
