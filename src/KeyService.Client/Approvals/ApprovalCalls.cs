using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.Approvals;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Approvals</c>: what waits for a quorum of officers, their signed words, their rosters.</summary>
public sealed class ApprovalCalls
{
    private static readonly Marshaller<byte[]> Bytes = new(bytes => bytes, bytes => bytes);

    private readonly Approvals.ApprovalsClient approvals;
    private readonly CallInvoker invoker;
    private readonly CallRunner runner;

    internal ApprovalCalls(CallInvoker invoker, CallRunner runner)
    {
        approvals = new Approvals.ApprovalsClient(invoker);
        this.invoker = invoker;
        this.runner = runner;
    }

    /// <summary>Requests, page by page.</summary>
    /// <param name="openOnly">Those that wait for officers or for the requester only.</param>
    /// <param name="cancellation">Ends the call.</param>
    public IAsyncEnumerable<Approval> ListAsync(bool openOnly, CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => approvals.ListApprovalsAsync(new ListApprovalsRequest { PageSize = Pages.Size, PageToken = token,
            OpenOnly = openOnly }, o),
            page => page.Approvals, page => page.NextPageToken, cancellation);

    /// <summary>A request with what officers said.</summary>
    public Task<GetApprovalResponse> GetAsync(string id, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => approvals.GetApprovalAsync(new GetApprovalRequest { Id = id }, o), cancellation);

    /// <summary>Brings an officer's signed approval or rejection (docs/spec/approvals.md). APPROVAL_REFUSED says why it does not count.</summary>
    public async Task<Approval> DecideAsync(ReadOnlyMemory<byte> decision, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new DecideApprovalRequest { RequestId = RequestId.OrNew(requestId), Decision = ByteString.CopyFrom(decision.Span) };
        return (await runner.UnaryAsync(o => approvals.DecideApprovalAsync(request, o), cancellation).ConfigureAwait(false)).Approval;
    }

    /// <summary>Installs a roster that officers have signed. ROSTER_REFUSED says why it does not follow.</summary>
    public Task<InstallRosterResponse> InstallRosterAsync(ReadOnlyMemory<byte> roster, string? requestId = null,
        CancellationToken cancellation = default)
    {
        var request = new InstallRosterRequest { RequestId = RequestId.OrNew(requestId), Roster = ByteString.CopyFrom(roster.Span) };
        return runner.UnaryAsync(o => approvals.InstallRosterAsync(request, o), cancellation);
    }

    /// <summary>Every roster from the first on, and the installation's id.</summary>
    public Task<ListRostersResponse> ListRostersAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => approvals.ListRostersAsync(new ListRostersRequest(), o), cancellation);

    /// <summary>Makes the call that a request is about again, as it was made first: what its requester does once a quorum approved.</summary>
    /// <param name="approval">What <see cref="GetAsync"/> answered.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <returns>The call's own answer.</returns>
    /// <exception cref="NotSupportedException">This client does not know the method.</exception>
    public async Task<IMessage> ResumeAsync(GetApprovalResponse approval, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(approval);
        var known = ProtocolMethods.Find(approval.Approval.Method)
            ?? throw new NotSupportedException($"This client does not know {approval.Approval.Method}.");
        var method = new Method<byte[], byte[]>(MethodType.Unary, known.Service.FullName, known.Name, Bytes, Bytes);
        var message = approval.Message.ToByteArray();
        return known.OutputType.Parser.ParseFrom(await runner.UnaryAsync(o => invoker.AsyncUnaryCall(method, null, o, message),
            cancellation).ConfigureAwait(false));
    }
}
