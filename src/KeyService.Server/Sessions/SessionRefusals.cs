using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Sessions;

/// <summary>What a person is told whose second factor or session does not do.</summary>
internal static class SessionRefusals
{
    /// <summary>No session, one that is over, and one of another first factor: one answer on purpose.</summary>
    public static Refusal Required() => new(Reason.SessionRequired,
        "A session is needed that is open, yours and of this certificate. Log in with a code of your authenticator application (keyservice login).");

    /// <summary>Wrong, used, or no second factor to hold it against: one answer on purpose.</summary>
    public static Refusal WrongCode() => new(Reason.SecondFactorRefused,
        "The code is not right, or was used before. Wait for the next one; three wrong ones in a row lock you.");

    public static Refusal Locked() => new(Reason.SecondFactorLocked,
        "Three wrong codes in a row locked this person. Another officer unlocks it (keyservice person unlock), after asking what happened.");

    public static Refusal StepUp() => new(Reason.StepUpRequired,
        $"This asks for a code given within the last {SessionLimits.Fresh.TotalMinutes:0} minutes. Give one (keyservice session confirm) and call again.");

    public static Refusal NotAPerson() => new(Reason.AccessDenied,
        "Second factors and sessions are for people. A service or an AI system proves itself by its certificate alone.");

    public static Refusal Oneself() => new(Reason.AccessDenied, "Nobody does this for oneself. Ask another officer.");
}
