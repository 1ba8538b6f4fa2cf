using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Telemetry;

namespace KeyService.Server.Pipeline;

/// <summary>Makes the record of a call durable. Nothing is answered before it returned.</summary>
internal sealed class CallRecorder(IStore store, TimeProvider time)
{
    private volatile Failed? _last;

    /// <summary>Why the last record could not be made durable, when that was after <paramref name="timestamp"/>; otherwise null.</summary>
    public string? FailureSince(long timestamp) => _last is { } failed && failed.At >= timestamp ? failed.Why : null;

    /// <summary>How long the last record waited for its commit.</summary>
    public TimeSpan LastLatency { get; private set; }

    /// <summary>For the start of a call: what its duration is counted from.</summary>
    public long Start() => time.GetTimestamp();

    /// <summary>
    /// Commits the record, whatever became of the caller meanwhile: that a caller left does not undo what was done for it.
    /// </summary>
    /// <exception cref="Refusal">AUDIT_UNAVAILABLE, OVERLOADED: the call must not be answered with anything else.</exception>
    public async Task<CommitReceipt> RecordAsync(AuditRecordDraft record, long started)
    {
        var begun = time.GetTimestamp();
        record.Duration = time.GetElapsedTime(started, begun);
        try
        {
            var receipt = await store.CommitAsync(record, change: null, CancellationToken.None);
            _last = null;
            LastLatency = time.GetElapsedTime(begun);
            return receipt;
        }
        catch (StoreUnavailableException exception)
        {
            _last = new Failed(exception.Message, time.GetTimestamp());
            ServiceTelemetry.AuditFailures.Add(1);
            throw Refusal.AuditUnavailable(exception);
        }
        catch (StoreOverloadedException exception)
        {
            throw Refusal.Overloaded(exception.RetryAfter);
        }
    }

    private sealed record Failed(string Why, long At);
}
