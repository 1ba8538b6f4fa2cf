using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Token and database are gone: the installation is made of its bundles again.</summary>
internal static class RestoreScript
{
    public static CeremonyScript Create() => new(CeremonyKind.Restore, "Restore: the installation is made of its bundles again",
    [
        CommonSteps.Attendance(1),
        CommonSteps.Station(2),
        new(3, "The bundles", "The newest full bundle and what came after it are read to their end: signature, counts, and that each names the one before.",
            "Nothing has been made yet.", BundleSteps.InspectAsync),
        new(4, "The new token", "The token is opened and says what it is. Compare its serial number with the device and its papers.",
            "Nothing has been made yet.", (run, cancellation) => TokenSteps.IdentifyAsync(run, "4", cancellation)),
        new(5, "The shares", "As many custodians as are needed type their shares, one after the other. Each is compared with its record before they are combined.",
            "The backup key is in the memory of this station until the end; nothing has been imported.", (run, cancellation) => RestoreSteps.CombineAsync(run, "5", cancellation)),
        new(6, "Every key comes back", "Each key of the bundles comes under the root of the new token, opens its check value and its bulk key, and is written into the empty store. The installation exists when all of them have, and not before.",
            "Interrupted, it goes on where it was. A store that it began is of no use for anything else.", RestoreSteps.RestoreAsync) { NeedsBackupKey = true },
    ])
    {
        PointOfNoReturn = 5,
        WhenVoid = "Token and store that were begun are initialised again before anything else is done with them. The shares are as good as before.",
        Afterwards = "Start the service (keyservice serve). No restored version encrypts any more; each key rotates by itself. Make principals, grants and roster again, and a full bundle. The papers go into new bags.",
    };
}
