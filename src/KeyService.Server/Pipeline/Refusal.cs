using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using GrpcStatus = Grpc.Core.Status;
using RpcStatus = Google.Rpc.Status;

namespace KeyService.Server.Pipeline;

/// <summary>
/// A call that ends without its result, for a reason the caller is told: a frozen <see cref="Reason"/> and a sentence that
/// says what to do. The pipeline turns it into a gRPC status with google.rpc details and records it.
/// </summary>
internal sealed class Refusal : Exception
{
    /// <summary>Domain of the google.rpc.ErrorInfo of every answer.</summary>
    public const string Domain = "keyservice.v1";

    private readonly IReadOnlyList<(string Field, string Description)> _violations;

    public Refusal(Reason reason, string message) : this(reason, message, [], null, null)
    {
    }

    /// <summary>A refusal that keeps its cause for the log; the caller never sees it.</summary>
    public Refusal(Reason reason, string message, Exception cause) : this(reason, message, [], null, cause)
    {
    }

    private Refusal(Reason reason, string message, IReadOnlyList<(string, string)> violations, TimeSpan? retryAfter, Exception? cause)
        : base(message, cause)
    {
        Reason = reason;
        RetryAfter = retryAfter;
        _violations = violations;
    }

    public Reason Reason { get; }

    /// <summary>When to try again, for what passes by itself.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>The approval that the answer is about, for programs: metadata "approval" of the ErrorInfo.</summary>
    public string? ApprovalId { get; init; }

    /// <summary>Field and rule of each violation of the request.</summary>
    public IReadOnlyList<(string Field, string Description)> Violations => _violations;

    /// <summary>The key does not exist or no grant covers it: one answer on purpose.</summary>
    public static Refusal AccessDenied() => new(Reason.AccessDenied,
        "Access denied, or no such key. Ask an administrator for a grant that covers this key, operation and context.");

    /// <summary>The caller holds both sides of a forbidden pair; <paramref name="pair"/> says what meets.</summary>
    public static Refusal SeparationOfDuties(string principal, string pair) => new(Reason.SeparationOfDuties,
        $"'{principal}' holds {pair}, which may not meet in one hand: both are refused. Ask an access manager to revoke one of the two.");

    /// <summary>Damaged, made under another key or context, or not made here: one answer on purpose.</summary>
    public static Refusal DecryptionFailed() => new(Reason.DecryptionFailed,
        "The ciphertext does not open. Give the context it was made with, byte for byte, and the bytes as they were answered.");

    /// <param name="field">Path of the field in the request, for example "items[3].plaintext".</param>
    /// <param name="rule">The rule it breaks, as a sentence without a full stop.</param>
    public static Refusal InvalidArgument(string field, string rule) =>
        new(Reason.InvalidArgument, $"{field}: {rule}.", [(field, rule)], null, null);

    /// <inheritdoc cref="InvalidArgument"/>
    public static Refusal InvalidContext(string field, string rule) =>
        new(Reason.InvalidContext, $"{field}: {rule}.", [(field, rule)], null, null);

    /// <inheritdoc cref="InvalidArgument"/>
    public static Refusal BatchTooLarge(string field, string rule) =>
        new(Reason.BatchTooLarge, $"{field}: {rule}. Nothing was done; send it in smaller calls.", [(field, rule)], null, null);

    public static Refusal NotFound(string what) => new(Reason.NotFound, $"{what} does not exist.");

    public static Refusal AlreadyExists(string what) => new(Reason.AlreadyExists, $"{what} exists already.");

    /// <param name="retryAfter">Time until another attempt is worth it.</param>
    public static Refusal Overloaded(TimeSpan retryAfter) =>
        new(Reason.Overloaded, "The server has as much work in progress as it takes. Try again shortly.", [], retryAfter, null);

    /// <summary>A quota of the grant that would allow the call has too little left until its window ends.</summary>
    public static Refusal QuotaExhausted(SpentQuota spent) => new(Reason.QuotaExhausted,
        $"The quota {spent.Quota} of grant {spent.Grant.IdText} has too little left for this call. It begins anew in {Math.Ceiling(spent.UntilEnd.TotalSeconds):0} s; "
        + "an administrator can grant more.",
        [], spent.UntilEnd, null);

    public static Refusal HsmUnavailable(Exception cause) => new(Reason.HsmUnavailable,
        "The HSM does not answer. The service reconnects by itself; try again shortly.", [], TimeSpan.FromSeconds(2), cause);

    public static Refusal StoreUnavailable(Exception cause) => new(Reason.StoreUnavailable,
        "The store cannot be read or written. Nothing was changed; try again later.", [], TimeSpan.FromSeconds(2), cause);

    public static Refusal AuditUnavailable(Exception cause) => new(Reason.AuditUnavailable,
        "The audit record could not be made durable, so nothing is answered. Try again later.", [], TimeSpan.FromSeconds(2), cause);

    public static Refusal StoreTampered(Exception cause) => new(Reason.StoreTampered,
        "A stored row does not carry a valid MAC: it was changed outside the service. Call an administrator.", [], null, cause);

    public static Refusal ShuttingDown() => new(Reason.ShuttingDown,
        "The server is shutting down. Call another replica, or try again after its start.", [], TimeSpan.FromSeconds(5), null);

    public static Refusal UnknownPrincipal() => new(Reason.UnknownPrincipal,
        "No registered principal stands behind this connection, or it is disabled. "
        + "Ask an administrator to register this certificate or user.");

    public static Refusal Unimplemented(string method) => new(Reason.Unimplemented, $"This server does not offer {method}.");

    public static Refusal StreamIdle(TimeSpan limit) =>
        new(Reason.StreamIdle, $"The stream was silent for {limit.TotalSeconds:0} s. Nothing was sealed.");

    /// <summary>The answer to a defect: nothing about it but the trace id under which the log has it.</summary>
    public static Refusal Internal(string traceId, Exception? cause = null) =>
        new(Reason.Internal, $"A defect in the service. The server's log has it under trace {traceId}.", [], null, cause);

    /// <summary>The gRPC status: code, message and google.rpc details in the trailers.</summary>
    public RpcException ToRpcException()
    {
        var status = new RpcStatus { Code = (int)RefusalStatus.CodeOf(Reason), Message = Message };
        var info = new ErrorInfo { Domain = Domain, Reason = RefusalStatus.NameOf(Reason) };
        if (ApprovalId is not null)
            info.Metadata.Add("approval", ApprovalId);
        status.Details.Add(Any.Pack(info));
        if (_violations.Count > 0)
        {
            var bad = new BadRequest();
            foreach (var (field, description) in _violations)
                bad.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = field, Description = description });
            status.Details.Add(Any.Pack(bad));
        }
        if (RetryAfter is { } delay)
            status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(delay) }));
        return new RpcException(
            new GrpcStatus((StatusCode)status.Code, status.Message),
            new Metadata { { "grpc-status-details-bin", status.ToByteArray() } },
            status.Message);
    }
}
