using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Steps that every ceremony begins with.</summary>
internal static class CommonSteps
{
    public static CeremonyStep Attendance(int number) => new(number, "Who is here",
        "Everybody says who they are and what they do here. Two people look at the identity documents of each. Nobody has two roles; who drives or witnesses holds no share.",
        "Nothing has been made yet. Type stop at any question to end the ceremony; whatever it was, it is recorded.", AttendanceSteps.TakeAsync);

    public static CeremonyStep Station(int number) => new(number, "The station",
        "The station's software is hashed, its networks, its swap space and its clock are looked at. Compare the hash with the one that was written down when the software was brought here, read aloud.",
        "Nothing has been made yet.", StationSteps.ExamineAsync);

    /// <summary>For a ceremony that no token takes part in.</summary>
    public static CeremonyStep StationWithoutHsm(int number, string why) => Station(number) with
    {
        Act = (run, cancellation) =>
        {
            run.Fact(TranscriptVerdict.WithoutHsm, why);
            return StationSteps.ExamineAsync(run, cancellation);
        },
    };
}
