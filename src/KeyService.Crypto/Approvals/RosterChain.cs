namespace KeyService.Crypto.Approvals;

/// <summary>
/// Rosters from the first to the newest, each verified by the one before it. The first one's hash is what must be trusted: it is compared with what
/// was recorded when it was installed.
/// </summary>
public sealed class RosterChain
{
    private readonly List<SignedRoster> _rosters;

    private RosterChain(List<SignedRoster> rosters) => _rosters = rosters;

    /// <summary>From the first to the newest; one at least.</summary>
    public IReadOnlyList<SignedRoster> Rosters => _rosters;

    /// <summary>The first roster: who trusts its hash can check everything that follows.</summary>
    public Roster First => _rosters[0].Roster;

    /// <summary>The newest roster.</summary>
    public Roster Newest => _rosters[^1].Roster;

    /// <summary>Verifies a chain.</summary>
    /// <returns>The chain; null with the finding and the number of the roster that does not follow.</returns>
    public static RosterChain? Verify(IEnumerable<SignedRoster> rosters, out RosterFinding finding, out int sequence)
    {
        finding = RosterFinding.Missing;
        sequence = 0;
        RosterChain? chain = null;
        foreach (SignedRoster roster in rosters)
        {
            sequence++;
            finding = FindingOf(chain?.Newest, roster);
            if (finding != RosterFinding.Valid)
            {
                return null;
            }
            chain = new RosterChain([.. chain?._rosters ?? [], roster]);
        }
        return chain;
    }

    /// <summary>The chain with one more.</summary>
    public RosterChain? With(SignedRoster next, out RosterFinding finding)
    {
        finding = FindingOf(Newest, next);
        return finding == RosterFinding.Valid ? new RosterChain([.. _rosters, next]) : null;
    }

    /// <summary>The roster whose officers decide at a time; null before the first one's begin.</summary>
    public Roster? InForce(DateTimeOffset time) => _rosters.LastOrDefault(each => each.Roster.ValidFrom <= time)?.Roster;

    /// <summary>The roster of that hash and when the next one took its place; null when it is not of this chain.</summary>
    public (Roster Roster, DateTimeOffset? ReplacedAt)? Find(ReadOnlySpan<byte> hash)
    {
        for (int i = 0; i < _rosters.Count; i++)
        {
            if (hash.SequenceEqual(_rosters[i].Roster.Hash))
            {
                return (_rosters[i].Roster, i + 1 < _rosters.Count ? _rosters[i + 1].Roster.ValidFrom : null);
            }
        }
        return null;
    }

    private static RosterFinding FindingOf(Roster? previous, SignedRoster signed)
    {
        Roster roster = signed.Roster;
        if (roster.Sequence != (previous?.Sequence ?? 0) + 1 || (previous is null) != (roster.Previous is null)
            || previous is not null && !roster.Previous!.Value.Span.SequenceEqual(previous.Hash))
        {
            return RosterFinding.NotNext;
        }
        if (previous is not null && !roster.Installation.Span.SequenceEqual(previous.Installation.Span))
        {
            return RosterFinding.AnotherInstallation;
        }
        if (previous is not null && roster.ValidFrom < previous.ValidFrom)
        {
            return RosterFinding.ValidTooEarly;
        }
        byte[] text = roster.ToArray();
        foreach (RosterSignature signature in signed.Signatures)
        {
            Officer? signer = (signature.Accepts ? roster : previous)?.Find(signature.Officer);
            if (signer is null || !OfficerSignature.Verifies(signer.PublicKey.Span, text, signature.Signature.Span))
            {
                return RosterFinding.WrongSignature;
            }
        }
        bool accepted = roster.Officers.All(officer => previous?.Find(officer.Id) is { } before && before.IsSame(officer)
            || signed.Signatures.Any(signature => signature.Accepts && signature.Officer == officer.Id));
        if (!accepted)
        {
            return RosterFinding.NotAccepted;
        }
        return previous is null || signed.Signatures.Count(signature => !signature.Accepts) >= previous.Quorum.Required ? RosterFinding.Valid
            : RosterFinding.NotAppointed;
    }
}
