namespace HsmSim.Faults;

/// <summary>What happens to a call.</summary>
internal enum RuleKind
{
    /// <summary>It answers a code and never reaches the real module.</summary>
    Fail,

    /// <summary>It waits until the rule is gone from the control file, then goes on.</summary>
    Hang,

    /// <summary>The real module answers, and one bit of its output is turned over.</summary>
    Spoil,
}

/// <summary>One line of a control file about single calls.</summary>
/// <param name="Kind">What happens.</param>
/// <param name="Code">CK_RV to answer; of <see cref="RuleKind.Fail"/> only.</param>
/// <param name="Occasion">To which calls.</param>
internal sealed record Rule(RuleKind Kind, nuint Code, Occasion Occasion);
