using System.Data.Common;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Telemetry;

/// <summary>
/// A store with a span and a duration around each read and commit. Stands in front of the real one only while telemetry is
/// configured. A commit's time is that of the shared commit as its caller waited for it.
/// </summary>
internal sealed class ObservedStore(IStore inner) : IStore
{
    private static readonly Histogram<double> Durations = ServiceTelemetry.Meter.CreateHistogram<double>(
        "keyservice.store.duration", "s", "Time that a caller waited for the store.");

    public int Slot => inner.Slot;

    public long LastSequence => inner.LastSequence;

    public bool IsAhead => inner.IsAhead;

    public IReadOnlyList<string> Warnings => inner.Warnings;

    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken) =>
        ObserveAsync("read", () => inner.ReadAsync(read, cancellationToken));

    public Task<CommitReceipt> CommitAsync(
        AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken) =>
        ObserveAsync(change is null ? "record" : "change", () => inner.CommitAsync(record, change, cancellationToken));

    public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) =>
        inner.WaitForRecordAsync(sequence, cancellationToken);

    public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => inner.TryTakeRoleAsync(role, cancellationToken);

    public ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    /// <summary>The real store is its owner's to close.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task<T> ObserveAsync<T>(string operation, Func<Task<T>> run)
    {
        using var span = ServiceTelemetry.Spans.StartActivity($"store {operation}", ActivityKind.Client);
        var started = Stopwatch.GetTimestamp();
        var outcome = "success";
        try
        {
            return await run();
        }
        catch (Exception exception)
        {
            outcome = exception.GetType().Name;
            span?.SetStatus(ActivityStatusCode.Error);
            throw;
        }
        finally
        {
            span?.SetTag("store.operation", operation);
            Durations.Record(
                Stopwatch.GetElapsedTime(started).TotalSeconds,
                new KeyValuePair<string, object?>("store.operation", operation),
                new KeyValuePair<string, object?>("outcome", outcome));
        }
    }
}
