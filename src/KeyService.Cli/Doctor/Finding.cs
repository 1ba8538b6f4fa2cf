using KeyService.Cli.Output;

namespace KeyService.Cli.Doctor;

/// <summary>One thing that doctor looked at.</summary>
/// <param name="Side">"client", or "server" for what the server's own doctor says.</param>
/// <param name="Check">What was looked at, for example "tls".</param>
/// <param name="State">"good", "warning" or "problem".</param>
/// <param name="Message">What was seen.</param>
/// <param name="Fix">What to do; empty when all is well.</param>
internal sealed record Finding(string Side, string Check, string State, string Message, string Fix)
{
    public const string GoodState = "good";
    public const string WarningState = "warning";
    public const string ProblemState = "problem";

    public bool IsProblem => State == ProblemState;

    public static Finding Good(string check, string message) => new("client", check, GoodState, message, "");

    public static Finding Warning(string check, string message, string fix) => new("client", check, WarningState, message, fix);

    public static Finding Problem(string check, string message, string fix) => new("client", check, ProblemState, message, fix);

    public Record ToRecord() => new() { ["side"] = Side, ["check"] = Check, ["state"] = State, ["message"] = Message, ["fix"] = Fix };

    public string ToText()
    {
        var sign = State switch { GoodState => "ok     ", WarningState => "warning", _ => "PROBLEM" };
        var line = Terminal.Printable($"{sign}  {Side} {Check,-13} {Message}");
        return Fix.Length == 0 ? line : $"{line}\n         fix: {Terminal.Printable(Fix)}";
    }
}
