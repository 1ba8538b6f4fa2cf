namespace KeyService.Server.Detection;

/// <summary>What a finding turned out to be. Numbers and names are frozen.</summary>
internal enum Disposition
{
    /// <summary>Nobody has said yet.</summary>
    None = 0,

    /// <summary>It was somebody's work, and in order.</summary>
    Expected = 1,

    /// <summary>It was a mistake, which was talked about.</summary>
    Mistake = 2,

    /// <summary>It was not allowed, and somebody follows it up.</summary>
    Violation = 3,

    /// <summary>It was an attack, or patient data is in the wrong hands: handled as an incident.</summary>
    Incident = 4,

    /// <summary>The rule was wrong.</summary>
    FalsePositive = 5,
}
