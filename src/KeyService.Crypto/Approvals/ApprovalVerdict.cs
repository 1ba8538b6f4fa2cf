namespace KeyService.Crypto.Approvals;

/// <summary>Whether a request was granted. Names are stable.</summary>
public enum VerdictFinding
{
    /// <summary>A quorum approved and nobody rejected.</summary>
    Granted = 0,

    /// <summary>An officer rejected it.</summary>
    Rejected = 1,

    /// <summary>Fewer officers than the quorum approved.</summary>
    TooFew = 2,

    /// <summary>The request's roster is not of this chain.</summary>
    UnknownRoster = 3,

    /// <summary>Request and roster are of two installations.</summary>
    AnotherInstallation = 4,

    /// <summary>The request was made before its roster was valid, or after the next one was.</summary>
    RosterNotValid = 5,
}

/// <summary>
/// Whether approvals grant a request: computed from documents alone, by anyone. Clocks are those of the officers and of the server that wrote the
/// request.
/// </summary>
public sealed class ApprovalVerdict
{
    private ApprovalVerdict(VerdictFinding finding, int required, IReadOnlyList<(Approval Approval, ApprovalFinding Finding)> approvals)
    {
        Finding = finding;
        Required = required;
        Approvals = approvals;
    }

    /// <summary>Granted, or why not.</summary>
    public VerdictFinding Finding { get; }

    /// <summary>Officers that must agree; 0 when the roster is not known.</summary>
    public int Required { get; }

    /// <summary>Officers who agreed.</summary>
    public int Approving => Approvals.Count(each => each.Finding == ApprovalFinding.Approves);

    /// <summary>Each approval with what it is worth.</summary>
    public IReadOnlyList<(Approval Approval, ApprovalFinding Finding)> Approvals { get; }

    /// <summary>Judges a request.</summary>
    public static ApprovalVerdict Of(ApprovalRequest request, RosterChain chain, IEnumerable<Approval> approvals)
    {
        if (chain.Find(request.Roster.Span) is not var (roster, replacedAt))
        {
            return new ApprovalVerdict(VerdictFinding.UnknownRoster, 0, []);
        }
        var judged = new List<(Approval Approval, ApprovalFinding Finding)>();
        foreach (Approval approval in approvals)
        {
            judged.Add((approval, FindingOf(request, roster, replacedAt, [.. judged.Select(each => each.Approval)], approval)));
        }
        VerdictFinding finding = !request.Installation.Span.SequenceEqual(roster.Installation.Span) ? VerdictFinding.AnotherInstallation
            : request.Created < roster.ValidFrom || replacedAt <= request.Created ? VerdictFinding.RosterNotValid
            : judged.Any(each => each.Finding == ApprovalFinding.Rejects) ? VerdictFinding.Rejected
            : judged.Count(each => each.Finding == ApprovalFinding.Approves) < roster.Quorum.Required ? VerdictFinding.TooFew
            : VerdictFinding.Granted;
        return new ApprovalVerdict(finding, roster.Quorum.Required, judged);
    }

    /// <summary>What one approval more is worth.</summary>
    /// <param name="replacedAt">When the next roster took the place of the request's; null while it did not.</param>
    /// <param name="earlier">Approvals of the same request that came before.</param>
    public static ApprovalFinding FindingOf(ApprovalRequest request, Roster roster, DateTimeOffset? replacedAt, IReadOnlyList<Approval> earlier,
        Approval approval)
    {
        if (!approval.Request.Span.SequenceEqual(request.Digest))
        {
            return ApprovalFinding.AnotherRequest;
        }
        if (roster.Find(approval.Officer) is not { } officer)
        {
            return ApprovalFinding.NotInRoster;
        }
        if (!approval.Verifies(officer.PublicKey.Span))
        {
            return ApprovalFinding.WrongSignature;
        }
        if (approval.Officer == request.Requester)
        {
            return ApprovalFinding.OwnRequest;
        }
        if (approval.Time < request.Created || approval.Time >= request.Expires || replacedAt <= approval.Time)
        {
            return ApprovalFinding.OutsideTime;
        }
        if (earlier.Any(each => each.Officer == approval.Officer && each.Decision == approval.Decision && each.Verifies(officer.PublicKey.Span)))
        {
            return ApprovalFinding.Repeated;
        }
        return approval.Decision == ApprovalDecision.Approve ? ApprovalFinding.Approves : ApprovalFinding.Rejects;
    }
}
