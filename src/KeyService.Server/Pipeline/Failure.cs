using Grpc.Core;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Storage;

namespace KeyService.Server.Pipeline;

/// <summary>
/// How a call that did not succeed is answered and recorded: the one place where exceptions become statuses.
/// </summary>
/// <param name="Answer">What the caller gets.</param>
/// <param name="Outcome">Refused: the caller's doing. Failed: the service's.</param>
/// <param name="ReasonName">As the record has it: a reason without "REASON_", or a status name for a call that was cut off.</param>
/// <param name="IsDefect">Nobody foresaw it: the log gets the whole exception as an error.</param>
internal readonly record struct Failure(RpcException Answer, AuditOutcome Outcome, string ReasonName, bool IsDefect)
{
    /// <param name="exception">What the implementation threw.</param>
    /// <param name="traceId">Trace id of the call.</param>
    /// <param name="cutOff">
    /// Status of a call that ended from outside (client's cancel, deadline); an exception that came after it is its consequence.
    /// </param>
    public static Failure Of(Exception exception, string traceId, StatusCode? cutOff) => exception switch
    {
        Refusal refusal => Of(refusal),
        StoreTamperedException => Of(Refusal.StoreTampered(exception)),
        StoreUnavailableException => Of(Refusal.StoreUnavailable(exception)),
        StoreOverloadedException overloaded => Of(Refusal.Overloaded(overloaded.RetryAfter)),
        HsmException { Fault: HsmFault.IntegrityFailure } => Of(Refusal.StoreTampered(exception)),
        HsmException { Fault: HsmFault.Unavailable or HsmFault.Unexpected or HsmFault.TokenNotFound
            or HsmFault.PinIncorrect or HsmFault.PinLocked
            or HsmFault.PinUnavailable or HsmFault.HierarchyMissing } => Of(Refusal.HsmUnavailable(exception)),
        InvalidContextException => Of(Refusal.InvalidContext("context", exception.Message.TrimEnd('.'))),
        OperationCanceledException or IOException or RpcException when cutOff is { } code => CutOff(code),
        RpcException framework when Of(framework.StatusCode) is { } reason => Of(new Refusal(reason, framework.Status.Detail)),
        _ => Of(Refusal.Internal(traceId, exception)) with { IsDefect = true },
    };

    public static Failure Of(Refusal refusal) => new(
        refusal.ToRpcException(),
        IsServers(refusal.Reason) ? AuditOutcome.Failed : AuditOutcome.Refused,
        RefusalStatus.NameOf(refusal.Reason),
        IsDefect: false);

    /// <summary>A call that its caller ended.</summary>
    public static Failure CutOff(StatusCode code) => code == StatusCode.DeadlineExceeded
        ? new(new RpcException(new Status(code, "The deadline passed before the answer was ready.")), AuditOutcome.Failed,
            "DEADLINE_EXCEEDED", false)
        : new(new RpcException(new Status(code, "The client cancelled the call.")), AuditOutcome.Failed, "CANCELLED", false);

    // What the transport itself refuses while a stream is read or written.
    private static Reason? Of(StatusCode transport) => transport switch
    {
        StatusCode.ResourceExhausted => Reason.BatchTooLarge,
        StatusCode.InvalidArgument => Reason.InvalidArgument,
        StatusCode.Unimplemented => Reason.Unimplemented,
        _ => null,
    };

    private static bool IsServers(Reason reason) => reason is Reason.HsmUnavailable or Reason.StoreUnavailable or Reason.AuditUnavailable
        or Reason.StoreTampered or Reason.Internal or Reason.Overloaded or Reason.ShuttingDown;
}
