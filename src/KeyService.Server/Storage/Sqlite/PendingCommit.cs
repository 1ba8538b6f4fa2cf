using KeyService.Server.Audit;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// One caller's record and change on their way through the writer. Either the writer takes it or its caller's cancellation withdraws it,
/// never both.
/// </summary>
internal sealed class PendingCommit(AuditRecordDraft? record, Func<IStoreTransaction, Task>? change)
{
    private const int Queued = 0, Taken = 1, Withdrawn = 2;

    // Continuations run elsewhere: the writer goes on to the next group at once.
    private readonly TaskCompletionSource<CommitReceipt> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private CancellationTokenRegistration _cancellation;
    private int _state;

    /// <summary>Null for a probe, which writes no record.</summary>
    public AuditRecordDraft? Record { get; } = record;

    public Func<IStoreTransaction, Task>? Change { get; } = change;

    /// <summary>What the change asked to be told of, in order.</summary>
    public List<Action>? CommittedActions { get; set; }

    /// <summary>Set when it is in the open transaction.</summary>
    public CommitReceipt Receipt { get; set; }

    /// <summary>Set when the change, or the encoding of the record, failed alone.</summary>
    public Exception? Failure { get; set; }

    public Task<CommitReceipt> Completion => _completion.Task;

    public void WithdrawOn(CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled)
        {
            _cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((PendingCommit)state!).TryWithdraw(token), this);
        }
    }

    /// <summary>False when it was withdrawn before.</summary>
    public bool TryTake()
    {
        var taken = Interlocked.CompareExchange(ref _state, Taken, Queued) == Queued;
        _cancellation.Unregister();
        return taken;
    }

    public void Succeed() => _completion.TrySetResult(Receipt);

    public void Fail(Exception exception) => _completion.TrySetException(exception);

    private void TryWithdraw(CancellationToken token)
    {
        if (Interlocked.CompareExchange(ref _state, Withdrawn, Queued) == Queued)
        {
            _completion.TrySetCanceled(token);
        }
    }
}
