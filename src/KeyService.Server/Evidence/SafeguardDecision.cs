namespace KeyService.Server.Evidence;

/// <summary>What a site decided about an addressable safeguard, 45 CFR 164.306(d)(3).</summary>
/// <param name="Paragraph">For example "164.312(a)(2)(iv)".</param>
/// <param name="Rationale">Why, and with an alternative what is done instead.</param>
/// <param name="NextReview">Day by which it is looked at again, later than <paramref name="Date"/>.</param>
internal sealed record SafeguardDecision(
    string Paragraph, string Safeguard, SafeguardChoice Choice, string Rationale, string DecidedBy, DateOnly Date, DateOnly NextReview);

/// <summary>The three answers that 164.306(d)(3) knows.</summary>
internal enum SafeguardChoice
{
    /// <summary>It is done.</summary>
    Implemented,

    /// <summary>It is not reasonable and appropriate, and something equivalent is done.</summary>
    Alternative,

    /// <summary>It is not reasonable and appropriate, and neither is anything equivalent.</summary>
    NotReasonable,
}
