using KeyService.Server.Audit;

namespace KeyService.Server.Storage;

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

    /// <summary>Undoes what an attempt of the writer left here: the transaction it stood in is gone.</summary>
    public void StartOver()
    {
        CommittedActions = null;
        Failure = null;
        Receipt = default;
        // Rows that stand in a record without a change are the caller's own: the account of a store (StoreAccount).
        if (Change is not null)
        {
            Record?.ForgetChanges();
        }
    }

    /// <summary>The commit stands: its actions run, in order.</summary>
    public void RunCommittedActions()
    {
        if (Failure is not null || CommittedActions is null)
        {
            return;
        }

        foreach (var action in CommittedActions)
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                // The change is durable; its cache is not right. The caller must learn that, the others must not suffer.
                Failure = new InvalidOperationException("The change was committed, but a cache could not take it over.", e);
            }
        }
    }

    /// <summary>Answers the caller: its own failure, or where its record stands.</summary>
    public void Answer()
    {
        if (Failure is { } failure)
        {
            Fail(failure);
        }
        else
        {
            _completion.TrySetResult(Receipt);
        }
    }

    public void Fail(Exception exception) => _completion.TrySetException(exception);

    private void TryWithdraw(CancellationToken token)
    {
        if (Interlocked.CompareExchange(ref _state, Withdrawn, Queued) == Queued)
        {
            _completion.TrySetCanceled(token);
        }
    }
}
