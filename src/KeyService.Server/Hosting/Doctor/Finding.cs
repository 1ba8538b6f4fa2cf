namespace KeyService.Server.Hosting;

/// <summary>What a check of doctor found.</summary>
/// <param name="Check">Stable name: "config", "tls", "clock", "hsm", "store", "grants", "listen", "evidence".</param>
/// <param name="State">Whether something is to be done.</param>
/// <param name="Message">What was found.</param>
/// <param name="Fix">What to do; empty when good.</param>
internal sealed record Finding(string Check, FindingState State, string Message, string Fix)
{
    public static Finding Good(string check, string message) => new(check, FindingState.Good, message, "");

    public static Finding Warning(string check, string message, string fix) => new(check, FindingState.Warning, message, fix);

    public static Finding Problem(string check, string message, string fix) => new(check, FindingState.Problem, message, fix);
}

/// <summary>Good, to be watched, or in the way of serving.</summary>
internal enum FindingState
{
    Good,
    Warning,
    Problem,
}
