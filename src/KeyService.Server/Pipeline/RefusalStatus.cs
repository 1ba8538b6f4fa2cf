using Google.Protobuf.Reflection;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.Server.Pipeline;

/// <summary>The one table from a reason to its gRPC status code (reason.proto), and a reason's name on the wire.</summary>
internal static class RefusalStatus
{
    private const string Prefix = "REASON_";

    /// <summary>The status code that reason.proto gives <paramref name="reason"/>.</summary>
    public static StatusCode CodeOf(Reason reason) => reason switch
    {
        Reason.UnknownPrincipal or Reason.SessionRequired or Reason.SecondFactorRefused => StatusCode.Unauthenticated,
        Reason.AccessDenied or Reason.SeparationOfDuties or Reason.OwnFinding or Reason.NotTheReviewer => StatusCode.PermissionDenied,
        Reason.DecryptionFailed or Reason.InvalidArgument or Reason.InvalidContext or Reason.BatchTooLarge => StatusCode.InvalidArgument,
        Reason.AlreadyExists or Reason.RequestIdReused => StatusCode.AlreadyExists,
        Reason.NotFound => StatusCode.NotFound,
        Reason.KeyState or Reason.KeyOverdue or Reason.PendingApproval or Reason.ClockSetBack or Reason.StoreRestored or Reason.StillNeeded
            or Reason.SecondFactorLocked or Reason.StepUpRequired or Reason.ReviewOutstanding or Reason.FindingClosed or Reason.ReviewIncomplete
            or Reason.ApprovalRefused or Reason.RequestRejected or Reason.RosterRefused or Reason.QuorumMissing
            or Reason.RecordsRetained or Reason.DecisionsUnusable or Reason.AccessChanged or Reason.AccessReviewClosed => StatusCode.FailedPrecondition,
        Reason.KeyExhausted or Reason.Overloaded or Reason.QuotaExhausted => StatusCode.ResourceExhausted,
        Reason.HsmUnavailable or Reason.StoreUnavailable or Reason.AuditUnavailable or Reason.ShuttingDown or Reason.BackupUnavailable
            => StatusCode.Unavailable,
        Reason.StoreTampered => StatusCode.DataLoss,
        Reason.StreamIncomplete => StatusCode.Aborted,
        Reason.StreamIdle => StatusCode.DeadlineExceeded,
        Reason.Unimplemented => StatusCode.Unimplemented,
        _ => StatusCode.Internal,
    };

    /// <summary>The reason's name without "REASON_", for example "ACCESS_DENIED".</summary>
    public static string NameOf(Reason reason) => Names.TryGetValue(reason, out var name) ? name : "INTERNAL";

    private static readonly Dictionary<Reason, string> Names = ReasonReflection.Descriptor.EnumTypes
        .Single(type => type.Name == nameof(Reason)).Values
        .ToDictionary(value => (Reason)value.Number, value => value.Name[Prefix.Length..]);
}
