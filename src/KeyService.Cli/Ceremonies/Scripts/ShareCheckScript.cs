using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Are the shares still there, and still the same?</summary>
internal static class ShareCheckScript
{
    public static CeremonyScript Create() => new(CeremonyKind.ShareCheck, "Share check: every custodian's share is compared with its record",
    [
        CommonSteps.Attendance(1),
        CommonSteps.StationWithoutHsm(2, "No token takes part in a share check."),
        new(3, "The shares", "One custodian after the other opens the bag and types the words. Each share is compared with the digest that was recorded when it was handed out. They are not combined: the backup key does not come to be.",
            "Nothing is made or changed. Each paper goes into a new bag.", ShareSteps.CheckAsync) { HasParts = true },
    ])
    {
        PointOfNoReturn = int.MaxValue,
        WhenVoid = "Nothing was made, so nothing has to be destroyed.",
        Afterwards = "The papers go into new bags and back to their places. Whoever's share was not as recorded gets a new one in a backup-key ceremony, soon.",
    };
}
