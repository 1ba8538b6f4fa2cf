using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Another token for an installation that stands: beside the one before, or in its place.</summary>
internal static class TokenScripts
{
    public static CeremonyScript Enrolment() => Create(CeremonyKind.TokenEnrolment, "Token enrolment: another token joins the installation",
        "Versions that servers on the other token make from now on come to this one by the next enrolment. Start servers on this token when that has caught up.");

    public static CeremonyScript RootChange() => Create(CeremonyKind.RootChange, "Root change: every key under the root of another token",
        "Stop the servers on the token before, enrol once more to catch up, start them on this token, and have a full bundle made. Wipe the token before when everything opens, and not earlier.");

    private static CeremonyScript Create(string kind, string title, string afterwards) => new(kind, title,
    [
        CommonSteps.Attendance(1),
        CommonSteps.Station(2),
        new(3, "The token", "The token that joins is opened and says what it is. Compare its serial number with the device and its papers.",
            "Nothing has been made yet.", (run, cancellation) => TokenSteps.IdentifyAsync(run, "3", cancellation)),
        new(4, "The shares", "As many custodians as are needed type their shares, one after the other. Each is compared with its record before they are combined.",
            "The backup key is in the memory of this station until the end; nothing has been imported.", (run, _) =>
            {
                ShareCollection.Recall(run, "4");
                return Task.CompletedTask;
            }),
        new(5, "Every key comes under the token's root", "Each key of the store is unwrapped in the token from its backup, wrapped under its root, and must open its check value. The token can be used when all of them have, and not before.",
            "Interrupted, it goes on where it was. The token before is not touched.", RestoreSteps.EnrolAsync) { NeedsBackupKey = true },
    ])
    {
        PointOfNoReturn = 5,
        WhenVoid = "The token that was begun cannot be used by the service; initialise it again before anything else is done with it. The token before is as it was.",
        Afterwards = afterwards,
    };
}
