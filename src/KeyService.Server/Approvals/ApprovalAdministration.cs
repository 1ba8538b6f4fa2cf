using KeyService.Crypto.Approvals;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Approval = KeyService.Crypto.Approvals.Approval;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Server.Approvals;

/// <summary>What officers bring: signed words on requests, and rosters. Each inside the transaction that also holds its audit record.</summary>
internal sealed class ApprovalAdministration(RowAuthenticator rows, AccessRegister access)
{
    /// <summary>An officer's clock may be ahead of the server's by so much.</summary>
    public static readonly TimeSpan ClockSlack = TimeSpan.FromMinutes(2);

    private readonly ApprovalTable _approvals = new(rows);
    private readonly RosterTable _rosters = new(rows);

    public static string WordOf(ApprovalDecision decision) => decision == ApprovalDecision.Approve ? "approval" : "rejection";

    /// <summary>Takes an officer's word, if it counts.</summary>
    /// <param name="record">Is told what it was about, also when it is refused.</param>
    /// <exception cref="Refusal">APPROVAL_REFUSED.</exception>
    public async Task<(ApprovalRow Row, RosterChain Chain)> DecideAsync(IStoreTransaction transaction, Approval decision, AuditRecordDraft record)
    {
        var said = $"{WordOf(decision.Decision)} by officer {decision.Officer} of request {Convert.ToHexStringLower(decision.Request.Span)}";
        var row = await _approvals.FindAsync(transaction, decision.Request.ToArray());
        record.Detail = row is null ? said : $"{said} (approval {row.IdText}, {row.Request.Method} by {row.Request.Requester})";
        var chain = await _rosters.LoadAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
        var roster = chain?.InForce(transaction.Time);
        DemandCounts(transaction, row, roster, decision);
        var after = row! with
        {
            Decisions = [.. row.Decisions, decision],
            DecideTime = new[] { row.DecideTime ?? transaction.Time, transaction.Time, decision.Time }.Max(),
            Revision = row.Revision + 1,
        };
        var approving = after.Approving(access.Current).Count;
        after = after with
        {
            State = decision.Decision == ApprovalDecision.Reject ? ApprovalState.Rejected
                : approving >= roster!.Quorum.Required ? ApprovalState.Approved : ApprovalState.Pending,
        };
        await _approvals.UpdateAsync(transaction, after);
        record.Detail += $": {after.State.ToString().ToLowerInvariant()}, {approving} of {roster!.Quorum}";
        return (after, chain!);
    }

    /// <summary>Puts a roster behind those that are there.</summary>
    /// <param name="installation">This installation's id.</param>
    /// <exception cref="Refusal">ROSTER_REFUSED.</exception>
    public async Task InstallAsync(IStoreTransaction transaction, SignedRoster signed, byte[] installation, string by)
    {
        var roster = signed.Roster;
        if (!roster.Installation.Span.SequenceEqual(installation))
        {
            throw Refused($"it is for installation {Convert.ToHexStringLower(roster.Installation.Span)}; this one is {Convert.ToHexStringLower(installation)}");
        }

        var chain = await _rosters.LoadAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
        RosterFinding finding;
        if ((chain is null ? RosterChain.Verify([signed], out finding, out _) : chain.With(signed, out finding)) is null)
        {
            throw Refused(SentenceOf(finding));
        }

        DemandPeople(signed);
        if (await ApprovalTable.LatestAsync(transaction) is { } latest && roster.ValidFrom <= latest)
        {
            throw Refused($"something was asked for or decided at {latest:u}, after it would have begun: have it signed again with a later begin");
        }

        await _rosters.InsertAsync(transaction, signed, by);
    }

    private void DemandCounts(IStoreTransaction transaction, ApprovalRow? row, Roster? roster, Approval decision)
    {
        var why = row is null ? "no request of this digest is known here: it was changed, or it is another installation's"
            : row.State == ApprovalState.Used ? "the call was made by this approval already; an approval is used once"
            : row.State == ApprovalState.Rejected ? "an officer rejected the request; that ended it"
            : transaction.Time >= row.Request.Expires ? $"the request ended {row.Request.Expires:u}; have it asked for again"
            : roster is null || !row.Request.Roster.Span.SequenceEqual(roster.Hash)
            ? "another roster took the place of the one that the request names; have it asked for again"
            : decision.Time > transaction.Time + ClockSlack
            ? $"it was made at {decision.Time:u}, and it is {transaction.Time:u} here: set the clock of the signing machine"
            : SentenceOf(ApprovalVerdict.FindingOf(row.Request, roster, replacedAt: null, row.Decisions, decision), decision.Officer)
                ?? (IsEnabled(decision.Officer) ? null : $"{decision.Officer} is no principal here, or is disabled");
        if (why is not null)
        {
            throw new Refusal(Reason.ApprovalRefused, $"The approval does not count: {why}.") { ApprovalId = row?.IdText };
        }
    }

    // Officers are people whom this installation knows, and who signs for a roster today must not have left.
    private void DemandPeople(SignedRoster signed)
    {
        foreach (var officer in signed.Roster.Officers)
        {
            if (!IsEnabled(officer.Id) || access.Current.Principals[officer.Id].Type != PrincipalType.Person)
            {
                throw Refused($"{officer.Id} is no principal of type person here, or is disabled");
            }
        }

        if (signed.Signatures.FirstOrDefault(each => !IsEnabled(each.Officer)) is { } gone)
        {
            throw Refused($"{gone.Officer}, who signed it, is disabled");
        }
    }

    private bool IsEnabled(string principal) => access.Current.Principals.TryGetValue(principal, out var known) && !known.Disabled;

    private static string? SentenceOf(ApprovalFinding finding, string officer) => finding switch
    {
        ApprovalFinding.Approves or ApprovalFinding.Rejects => null,
        ApprovalFinding.NotInRoster => $"the roster has no officer {officer}",
        ApprovalFinding.OwnRequest => $"{officer} asked for it, and nobody decides on an own request",
        ApprovalFinding.WrongSignature => $"it is not signed by the key that the roster has of {officer}",
        ApprovalFinding.OutsideTime => "it was made before the request, or after its end",
        ApprovalFinding.Repeated => $"{officer} said so already, and counts once",
        _ => "it is over another request",
    };

    private static string SentenceOf(RosterFinding finding) => finding switch
    {
        RosterFinding.NotNext => "it does not name the roster in force as the one before it",
        RosterFinding.AnotherInstallation => "it is for another installation than the roster before it",
        RosterFinding.ValidTooEarly => "it would begin before the roster that it follows on",
        RosterFinding.NotAccepted => "an officer who is new, or has a new key, did not accept it with that key",
        RosterFinding.NotAppointed => "fewer officers of the roster before it than its quorum signed it",
        _ => "a signature on it does not verify, or is of somebody who may not sign so",
    };

    private static Refusal Refused(string why) => new(Reason.RosterRefused, $"The roster is not installed: {why}.");
}
