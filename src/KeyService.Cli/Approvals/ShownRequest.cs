using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Crypto.Approvals;
using KeyService.Protocol.Approvals;
using KeyService.Protocol.V1;
using Approval = KeyService.Crypto.Approvals.Approval;

namespace KeyService.Cli.Approvals;

/// <summary>
/// A request as this command computed it from the call's message, after it compared that with what the service says it is: the only thing that the
/// command shows, and the only thing that it signs.
/// </summary>
internal sealed class ShownRequest
{
    private ShownRequest(GetApprovalResponse answer, ApprovalRequest request, RosterChain chain, byte[] installation,
        IReadOnlyList<Approval> decisions)
    {
        Answer = answer;
        Request = request;
        Chain = chain;
        Installation = installation;
        Decisions = decisions;
    }

    public GetApprovalResponse Answer { get; }

    public ApprovalRequest Request { get; }

    public RosterChain Chain { get; }

    public byte[] Installation { get; }

    public IReadOnlyList<Approval> Decisions { get; }

    /// <summary>Computed here.</summary>
    public string Digest => Convert.ToHexStringLower(Request.Digest);

    /// <summary>The roster that the request names.</summary>
    public Roster Roster => Chain.Find(Request.Roster.Span)!.Value.Roster;

    public ApprovalVerdict Verdict => ApprovalVerdict.Of(Request, Chain, Decisions);

    public static async Task<ShownRequest> FetchAsync(KeyServiceClient client, string id, CancellationToken cancellation)
    {
        var answer = await client.Approvals.GetAsync(id, cancellation).ConfigureAwait(false);
        var rosters = await RosterFiles.FetchAsync(client, cancellation).ConfigureAwait(false);
        return Of(answer, rosters.Chain ?? throw Wrong("it names a roster, and the service has none"), rosters.Installation);
    }

    internal static ShownRequest Of(GetApprovalResponse answer, RosterChain chain, byte[] installation)
    {
        if (!ApprovalRequest.TryParse(answer.Request.Span, out var claimed))
        {
            throw Wrong("its canonical request does not parse");
        }
        var method = ProtocolMethods.Find(claimed!.Method)
            ?? throw new CliError(ExitCode.Failed, "UNIMPLEMENTED", $"This command does not know the call {claimed.Method}.",
                "Use a keyservice of the service's release; what cannot be shown is not signed.");
        if (!MessageParameters.TryRead(method.InputType, answer.Message.Span, out var message))
        {
            throw new CliError(ExitCode.Failed, "UNIMPLEMENTED", $"The message of {claimed.Method} has fields that this command does not know.",
                "Use a keyservice of the service's release; what cannot be shown is not signed.");
        }
        // From here on only what was computed from the message counts; the service's text is compared with it and thrown away.
        var request = ApprovalRequest.Create(
            installation, claimed.Roster.Span, answer.Approval.Method, answer.Approval.Requester, claimed.Created, claimed.Expires,
            claimed.Nonce.Span,
            [.. MessageParameters.Of(message!).Select(each => new RequestParameter(each.Name, each.Value))]);
        if (!request.ToArray().AsSpan().SequenceEqual(answer.Request.Span))
        {
            throw Wrong("the service says one request and holds another call");
        }
        if (chain.Find(request.Roster.Span) is null)
        {
            throw Wrong("it names a roster that is not of this installation's chain");
        }
        var decisions = new List<Approval>();
        foreach (var document in answer.Decisions)
        {
            decisions.Add(Approval.TryParse(document.Span, out var decision) ? decision! : throw Wrong("what an officer said does not parse"));
        }
        return new ShownRequest(answer, request, chain, installation, decisions);
    }

    public ApprovalExport Export() => new(Chain.Rosters, Request, Decisions);

    private static CliError Wrong(string why) => new(
        ExitCode.NotVerified, "REQUEST_NOT_VERIFIED", $"The request is not what it says: {why}.",
        "Sign nothing, and call the security officer: the service or the connection is not to be trusted.");
}
