using KeyService.Server.Access;
using KeyService.Server.Audit;

namespace KeyService.Server.Pipeline;

/// <summary>
/// What an RPC needs and what it is recorded as. It stands on the overriding method, beside the implementation; a method
/// without one cannot be mapped (the server does not start).
/// </summary>
/// <param name="permission">
/// The permission; <see cref="Permission.None"/> when every registered principal may call. The method still asks for it by
/// <see cref="Call.Authorize"/>.
/// </param>
/// <param name="auditEvent">The event of the record; of a streaming RPC that of the closing record.</param>
[AttributeUsage(AttributeTargets.Method, Inherited = false)]
internal sealed class RpcAttribute(Permission permission, AuditEvent auditEvent) : Attribute
{
    public Permission Permission { get; } = permission;

    public AuditEvent AuditEvent { get; } = auditEvent;

    /// <summary>The permission is asked of one key: <see cref="Call.Authorize"/> must be given a key's name.</summary>
    public bool PerKey { get; init; }

    /// <summary>Event of the record that stands durable before a stream's first answer. Required of streaming RPCs.</summary>
    public AuditEvent Opened { get; init; }

    /// <summary>
    /// A person must have given a code of the second factor within the last minutes: changes of privileges, export, destruction
    /// (<see cref="Sessions.SessionLimits.Fresh"/>).
    /// </summary>
    public bool StepUp { get; init; }

    /// <summary>Makes a session, or leads there: asked of a person by the first factor alone.</summary>
    public bool BeforeSession { get; init; }

    /// <summary>
    /// A stream that stays for days and is nearly always still: it takes a place of its own kind, so that listeners keep no bulk stream out.
    /// </summary>
    public bool Listens { get; init; }

    /// <summary>Whether officers must approve; then it changes state, by <see cref="Call.MutateAsync"/>.</summary>
    public QuorumRule Quorum { get; init; }
}
