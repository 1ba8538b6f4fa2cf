using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Approvals;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using Credential = KeyService.Server.Access.Credential;
using Grant = KeyService.Server.Access.Grant;
using Principal = KeyService.Server.Access.Principal;

namespace KeyService.Server.Pipeline;

/// <summary>Whether a grant allows this: the access register's Decide.</summary>
internal delegate AccessDecision AccessCheck(Principal principal, Permission permission, string? keyName, EncryptionContext? context);

/// <summary>
/// One call on its way: who calls, whether it was allowed, and the audit record that is written for it. The pipeline makes
/// it before the implementation runs; the implementation gets it by <see cref="Of"/>.
/// </summary>
internal sealed class Call
{
    private const int MaxKeyNameLength = 128;
    private const int RequestIdLength = 36;
    private readonly AccessCheck _access;
    private readonly ContextDigests _contexts;
    private readonly IStore _store;
    private readonly RequestLedger _requests;
    private readonly QuorumGate _quorum;
    private SortedSet<KeyVersionId>? _compromised;
    private List<Grant>? _counted;
    private Question? _asked;

    internal Call(RpcAttribute rpc, string method, Principal principal, AuditRecordDraft record, long started,
        AccessCheck access, ContextDigests contexts, IStore store, RequestLedger requests, QuorumGate quorum)
    {
        Rpc = rpc;
        Method = method;
        Principal = principal;
        Record = record;
        Started = started;
        _access = access;
        _contexts = contexts;
        _store = store;
        _requests = requests;
        _quorum = quorum;
    }

    /// <summary>The call that the pipeline made for <paramref name="context"/>.</summary>
    public static Call Of(ServerCallContext context) => context.GetHttpContext().Features.Get<Call>()
        ?? throw new InvalidOperationException("This method was reached without the pipeline.");

    /// <summary>What the method declares about itself.</summary>
    public RpcAttribute Rpc { get; }

    /// <summary>Full name, "/keyservice.v1.Keys/CreateKey".</summary>
    public string Method { get; }

    public Principal Principal { get; }

    /// <summary>What the connection proved.</summary>
    public Credential[] Credentials { get; init; } = [];

    /// <summary>The person's session; null for others, and where none is needed.</summary>
    public PersonSession? Session { get; init; }

    /// <summary>32 hexadecimal digits, the same in log, trace and audit record.</summary>
    public string TraceId => Record.TraceId;

    /// <summary>Cancelled by the client's cancel, its deadline, an idle time-out or the server's shutdown.</summary>
    public CancellationToken CancellationToken { get; internal set; }

    /// <summary>The record of this call; the implementation adds key, version, counts and the like as it learns them.</summary>
    public AuditRecordDraft Record { get; }

    /// <summary>Ends the stream with this refusal; null while it is none under way.</summary>
    internal Action<Refusal>? EndStream { get; set; }

    /// <summary>True once a check of permission passed. An answer without one is not sent.</summary>
    public bool Authorized { get; private set; }

    /// <summary>True once the record of this call is durable, by <see cref="MutateAsync"/>.</summary>
    internal bool Recorded { get; private set; }

    /// <summary>True when that record is of a refusal: the answer to it needs none of its own.</summary>
    internal bool RefusalRecorded { get; private set; }

    /// <summary>For <see cref="QuorumRule.Exceptions"/>: what is asked for is one. Set before <see cref="MutateAsync"/>.</summary>
    public bool IsException { get; set; }

    /// <summary>The approval that the change runs by; null when none was asked for. Known inside the change.</summary>
    public UsedApproval? Approval { get; internal set; }

    /// <summary>True once the pipeline ended the call; until then the transport alone did.</summary>
    internal bool Concluded { get; set; }

    /// <summary>What the caller is told beside its answer, and the record has too; null when there is nothing.</summary>
    internal string? Warning => _compromised is null ? null : CompromisedVersions.Say(_compromised);

    /// <summary>Timestamp of the call's begin, for its duration.</summary>
    internal long Started { get; }

    /// <summary>Nothing is answered that nobody was asked about: an implementation that forgot is a defect.</summary>
    internal void DemandAuthorized()
    {
        if (!Authorized)
            throw new InvalidOperationException($"{Method} answers without having asked for permission.");
    }

    /// <summary>
    /// Asks for the permission that the RPC declares, on this key with this context.
    /// </summary>
    /// <param name="keyName">The key; null for an RPC that concerns no single key.</param>
    /// <param name="context">The caller's context; null when the operation has none.</param>
    /// <exception cref="Refusal">ACCESS_DENIED.</exception>
    public void Authorize(string? keyName, EncryptionContext? context)
    {
        if (Rpc.PerKey && keyName is null)
            throw new InvalidOperationException($"{Method} is declared per key and named none.");
        if (keyName is not null)
            Record.Key = keyName.Length <= MaxKeyNameLength ? keyName : keyName[..MaxKeyNameLength];
        if (context is not null)
            Names(context);
        if (Rpc.Permission != Permission.None && !IsAllowed(keyName, context))
            throw Refusal.AccessDenied();
        if (Rpc.Opened != default)
            Volatile.Write(ref _asked, new Question(keyName, context));
        Authorized = true;
    }

    /// <summary>Whether <see cref="Authorize"/> was asked yet. Thread safe.</summary>
    internal bool HasAsked => Volatile.Read(ref _asked) is not null;

    /// <summary>
    /// What <see cref="Authorize"/> would find now, for a stream that was let in; before it asked, whether the principal may call at all. Thread safe.
    /// </summary>
    internal AccessDecision AskAgain() => Volatile.Read(ref _asked) is { } asked
        ? _access(Principal, Rpc.Permission, asked.KeyName, asked.Context)
        : _access(Principal, Permission.None, null, null);

    /// <summary>The record names the context by its keyed digest.</summary>
    public void Names(EncryptionContext context) => Record.ContextDigest = DigestOf(context);

    /// <summary>The keyed digest by which records name a context.</summary>
    internal byte[] DigestOf(EncryptionContext context) => _contexts.Of(context);

    /// <summary>Records of the single items of a batch, where they are made; the pipeline makes them durable before the answer.</summary>
    internal ItemRecords? Items { get; set; }

    private bool IsAllowed(string? keyName, EncryptionContext? context)
    {
        var decision = _access(Principal, Rpc.Permission, keyName, context);
        if (decision.ForbiddenPair is { } pair)
        {
            Record.Event = AuditEvent.ForbiddenPairRefused;
            Record.Detail = $"{Method.TrimStart('/')}: holds {pair}";
            throw Refusal.SeparationOfDuties(Principal.Name, pair);
        }
        if (decision.SpentQuota is { } spent)
            throw Refusal.QuotaExhausted(spent);
        if (decision.Grant is { Quotas.Count: > 0 } counted && _counted?.Contains(counted) != true)
            (_counted ??= []).Add(counted);
        return decision.IsAllowed;
    }

    /// <summary>The grants with quotas by which the call was allowed: what it does counts for each of them.</summary>
    internal IReadOnlyList<Grant> Counted => _counted ?? [];

    /// <summary>A version is processed with: of a compromised one the caller and the record are told (NIST SP 800-57 part 1, 7.5).</summary>
    public void WarnOf(KeyVersionRow version)
    {
        if (KeyStates.Of(version.State).Processing == Processing.WithWarning)
        {
            (_compromised ??= []).Add(version.Id);
        }
    }

    /// <summary>
    /// For an RPC over items that are each asked for by <see cref="Covers"/>: a list that leaves out what no grant covers, a
    /// batch with a result or an error for each item.
    /// </summary>
    public void AuthorizeItems() => Authorized = true;

    /// <summary>Whether a grant gives the declared permission on this key with this context.</summary>
    /// <exception cref="Refusal">SEPARATION_OF_DUTIES.</exception>
    public bool Covers(string keyName, EncryptionContext? context) => IsAllowed(keyName, context);

    /// <summary>
    /// Changes state without keeping the answer: for calls whose answer is a secret, or good once. The change and its audit record become durable
    /// in one commit. A change may refuse and still change something (a wrong code is counted): the refusal that it returns is recorded with it and
    /// thrown.
    /// </summary>
    /// <param name="change">Runs inside the transaction. Null when it is done; what it throws undoes it.</param>
    /// <exception cref="Refusal">What <paramref name="change"/> returns or throws.</exception>
    public async Task ChangeAsync(Func<IStoreTransaction, Task<Refusal?>> change)
    {
        DemandAuthorized();
        Refusal? refusal = null;
        await _store.CommitAsync(Record, async transaction =>
        {
            refusal = await change(transaction);
            Record.Outcome = refusal is null ? AuditOutcome.Success : AuditOutcome.Refused;
            Record.Reason = refusal is null ? "" : RefusalStatus.NameOf(refusal.Reason);
        }, CancellationToken.None);
        Recorded = true;
        if (refusal is not null)
        {
            RefusalRecorded = true;
            throw refusal;
        }
    }

    /// <summary>
    /// Changes state: the change, its audit record and the answer kept under <paramref name="requestId"/> for 24 hours
    /// become durable in one commit, or none of them does. Sent again, the same request gets the kept answer. Where the RPC needs a quorum that did
    /// not approve yet, the request is recorded instead.
    /// </summary>
    /// <param name="requestId">UUID of 36 characters, chosen by the caller.</param>
    /// <param name="request">The whole request; another one under the same id is refused.</param>
    /// <param name="change">The change; runs inside the transaction, its answer is what the caller gets.</param>
    /// <exception cref="Refusal">INVALID_ARGUMENT, REQUEST_ID_REUSED, PENDING_APPROVAL, what <see cref="QuorumGate.EnterAsync"/> throws, and what
    /// <paramref name="change"/> throws.</exception>
    public async Task<TResponse> MutateAsync<TRequest, TResponse>(
        string requestId, TRequest request, Func<IStoreTransaction, Task<TResponse>> change)
        where TRequest : IMessage
        where TResponse : class, IMessage<TResponse>, new()
    {
        DemandAuthorized();
        if (requestId.Length != RequestIdLength || !Guid.TryParseExact(requestId, "D", out _))
            throw Refusal.InvalidArgument("request_id", "must be a UUID of 36 characters, the same again only for the same request");
        var digest = SHA256.HashData(request.ToByteArray());
        Record.RequestId = requestId;
        TResponse? response = null;
        Refusal? pending = null;
        var detail = Record.Detail;
        // Not cancelled by the caller's deadline: once in the queue, change and record stand or fall together, and the same
        // request_id tells the caller which.
        await _store.CommitAsync(Record, async transaction =>
        {
            var (finding, kept) = await _requests.FindAsync(transaction, Principal.Name, requestId, Method, digest);
            if (finding == RequestFinding.Reused)
                throw new Refusal(Reason.RequestIdReused,
                    "This request_id came before with another request. Make a new one for each request.");
            if (finding == RequestFinding.Repeated)
            {
                response = new MessageParser<TResponse>(() => new TResponse()).ParseFrom(kept);
                Record.Detail = "answered again what the same request_id got before";
                return;
            }
            // A change may run twice, and what the first one said is not so then.
            (Record.Outcome, Record.Reason, Record.Detail) = (AuditOutcome.Success, "", detail);
            pending = await _quorum.EnterAsync(transaction, this, request);
            if (pending is not null)
            {
                return;
            }

            response = await change(transaction);
            if (Approval is { } approval)
                Record.Detail += $"; approval {approval.Id} by {string.Join(", ", approval.Officers)}";
            await _requests.RememberAsync(transaction, Principal.Name, requestId, Method, digest, response.ToByteArray());
        }, CancellationToken.None);
        Recorded = true;
        RefusalRecorded = pending is not null;
        return pending is null ? response! : throw pending;
    }

    private sealed record Question(string? KeyName, EncryptionContext? Context);
}
