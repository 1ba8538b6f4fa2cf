using System.Security.Cryptography;
using Google.Protobuf;
using KeyService.Crypto.Approvals;
using KeyService.Protocol.Approvals;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Approvals;

/// <summary>An approval that a call ran by.</summary>
/// <param name="Officers">Who approved.</param>
internal sealed record UsedApproval(string Id, IReadOnlyList<string> Officers);

/// <summary>
/// Stands before every change that one person may not make alone, inside its transaction: the same call by the same requester runs once when a quorum
/// of officers has signed its request; otherwise it is recorded as a request, and ends.
/// </summary>
internal sealed class QuorumGate(RowAuthenticator rows, AccessRegister access)
{
    /// <summary>How long a request is open.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromDays(3);

    /// <summary>Requests of one requester and method that may wait at once: rows are kept for good, and officers have to read them.</summary>
    public const int MostOpen = 50;

    private readonly ApprovalTable _approvals = new(rows);
    private readonly RosterTable _rosters = new(rows);

    /// <summary>
    /// Null when the change may run: no quorum is asked for, or one approved, and the approval is used up in the same transaction. Otherwise what the
    /// caller is told once the transaction, which holds the request then, is durable.
    /// </summary>
    /// <exception cref="Refusal">QUORUM_MISSING, REQUEST_REJECTED, INVALID_ARGUMENT: nothing is written.</exception>
    public async Task<Refusal?> EnterAsync(IStoreTransaction transaction, Call call, IMessage message)
    {
        if (call.Rpc.Quorum is QuorumRule.None or QuorumRule.SignedRoster || call.Rpc.Quorum == QuorumRule.Exceptions && !call.IsException)
        {
            return null;
        }

        var chain = await _rosters.LoadAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
        if (chain is null && call.Rpc.Quorum != QuorumRule.Always)
        {
            return null;
        }

        var roster = chain?.InForce(transaction.Time) ?? throw new Refusal(
            Reason.QuorumMissing,
            "This call needs the approval of a quorum of officers, and no roster of officers is in force. Have one signed and install it (keyservice officer roster).");
        var parameters = ParametersOf(message);
        var asked = await _approvals.ListNotUsedAsync(transaction, call.Principal.Name, MethodOf(call));
        foreach (var row in asked)
        {
            if (transaction.Time >= row.Request.Expires || !row.Request.Parameters.SequenceEqual(parameters))
            {
                continue;
            }

            if (row.State == ApprovalState.Rejected)
            {
                throw new Refusal(
                    Reason.RequestRejected,
                    $"{string.Join(", ", row.Decisions.Where(each => each.Decision == ApprovalDecision.Reject).Select(each => each.Officer))} rejected this request "
                    + $"(approval {row.IdText}). Settle it with them; then ask again with a new request_id.") { ApprovalId = row.IdText };
            }

            if (row.IsOpen(transaction.Time, roster))
            {
                return await ResumeAsync(transaction, call, row, roster, chain!);
            }
        }

        return asked.Count < MostOpen ? await AskAsync(transaction, call, message, parameters, roster) : throw new Refusal(
            Reason.Overloaded, $"{MostOpen} requests of this kind by {call.Principal.Name} wait for officers already. Have those decided, or wait until they end.");
    }

    private async Task<Refusal?> ResumeAsync(IStoreTransaction transaction, Call call, ApprovalRow row, Roster roster, RosterChain chain)
    {
        var approving = row.Approving(access.Current);
        // Judged anew from the documents alone: the row's state is not what is believed.
        if (ApprovalVerdict.Of(row.Request, chain, row.Decisions).Finding != VerdictFinding.Granted || approving.Count < roster.Quorum.Required)
        {
            return Wait(call, row, roster, approving.Count);
        }

        await _approvals.UpdateAsync(transaction, row with { State = ApprovalState.Used, Revision = row.Revision + 1 });
        call.Approval = new UsedApproval(row.IdText, approving);
        return null;
    }

    private async Task<Refusal> AskAsync(
        IStoreTransaction transaction, Call call, IMessage message, IReadOnlyList<RequestParameter> parameters, Roster roster)
    {
        ApprovalRequest request;
        try
        {
            request = ApprovalRequest.Create(
                roster.Installation.Span, roster.Hash, MethodOf(call), call.Principal.Name, transaction.Time, transaction.Time + Life,
                RandomNumberGenerator.GetBytes(ApprovalRequest.NonceLength), parameters);
        }
        catch (ArgumentException)
        {
            throw Refusal.InvalidArgument("request", "has a text or a number of fields that cannot be shown to officers (docs/spec/approvals.md)");
        }

        var row = new ApprovalRow(AccessAdministration.NewId(), request, message.ToByteArray(), [], ApprovalState.Pending, DecideTime: null,
            Revision: 1);
        await _approvals.InsertAsync(transaction, row);
        return Wait(call, row, roster, approving: 0);
    }

    private static Refusal Wait(Call call, ApprovalRow row, Roster roster, int approving)
    {
        call.Record.Outcome = AuditOutcome.Pending;
        call.Record.Reason = RefusalStatus.NameOf(Reason.PendingApproval);
        call.Record.Detail = $"approval {row.IdText}, request {Convert.ToHexStringLower(row.Request.Digest)}: {approving} of {roster.Quorum} officers approve";
        return new Refusal(
            Reason.PendingApproval,
            $"Recorded as approval {row.IdText}: {approving} of {roster.Quorum} officers approve it so far, and it ends {row.Request.Expires:u}. When they have "
            + $"(keyservice approval approve {row.IdText}), make the same call again, or run keyservice approval resume {row.IdText}.") { ApprovalId = row.IdText };
    }

    /// <summary>"keyservice.v1.Service/Method".</summary>
    private static string MethodOf(Call call) => call.Method.TrimStart('/');

    private static RequestParameter[] ParametersOf(IMessage message)
    {
        try
        {
            if (MessageParameters.TryRead(message.Descriptor, message.ToByteArray(), out var known))
            {
                return [.. MessageParameters.Of(known!).Select(each => new RequestParameter(each.Name, each.Value))];
            }
        }
        catch (ArgumentException)
        {
            // A time outside of the calendar.
        }

        throw Refusal.InvalidArgument("request",
            "has fields that this server does not know, or a time outside of the calendar: what cannot be shown cannot be approved");
    }
}
