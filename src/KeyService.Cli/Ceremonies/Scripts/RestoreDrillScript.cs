using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>A restore onto a token that is wiped afterwards: proof that it would work.</summary>
internal static class RestoreDrillScript
{
    public static CeremonyScript Create() => new(CeremonyKind.RestoreDrill, "Restore drill: every key comes back onto a scratch token",
    [
        CommonSteps.Attendance(1),
        CommonSteps.Station(2),
        new(3, "The bundles", "The newest full bundle and what came after it are read to their end: signature, counts, and that each names the one before.",
            "Nothing has been made yet.", BundleSteps.InspectAsync),
        new(4, "The scratch token", "The token is opened and says what it is. It must be one that holds nothing: it is wiped at the end.",
            "Nothing has been made yet.", (run, cancellation) => TokenSteps.IdentifyEmptyAsync(run, "4", cancellation)),
        new(5, "The shares", "As many custodians as are needed type their shares, one after the other. Each is compared with its record before they are combined.",
            "The backup key is in the memory of this station until it is wiped; nothing has been imported.", (run, cancellation) => RestoreSteps.CombineAsync(run, "5", cancellation)),
        new(6, "Every key comes back", "Each key of the bundles is unwrapped in the token, wrapped under its root, and must open its check value and its bulk key.",
            "Everything that is made here is destroyed in the next step.", RestoreSteps.ProveAsync) { NeedsBackupKey = true },
        new(7, "The token is wiped", "The scratch token is initialised again, or its root key destroyed: no key that came onto it can be used any more.",
            "It cannot be undone, and must not be.", RestoreSteps.WipeAsync),
    ])
    {
        PointOfNoReturn = 5,
        WhenVoid = "Wipe the scratch token by initialising it, and switch the station off.",
        Afterwards = "The papers go into new bags and back to their places. The station is switched off. The next drill is due in three months.",
    };
}
