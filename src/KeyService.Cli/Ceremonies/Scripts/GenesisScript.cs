using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>The root of trust: a backup key in the hands of custodians, a root key in the HSM.</summary>
internal static class GenesisScript
{
    public static CeremonyScript Create() => new(CeremonyKind.Genesis, "Genesis: the root of trust is made",
    [
        CommonSteps.Attendance(1),
        CommonSteps.Station(2),
        new(3, "The HSM", "The token is opened and says what it is. Compare its serial number with the device and its papers. It must not hold a backup key.",
            "Nothing has been made yet.", (run, cancellation) => TokenSteps.IdentifyEmptyAsync(run, "3", cancellation)),
        new(4, "The backup key", "A key of 256 bits is made of the HSM's random numbers and the station's, and split into shares. It is in the memory of this station only, until step 8; the shares too, until they are written down. "
            + "A loss of power from here to step 6 makes the ceremony void.",
            "It can still be undone by stopping: the key is forgotten, and shares that were written down are destroyed before witnesses.", BackupKeySteps.MakeAsync),
        new(5, "The shares", "One custodian after the other comes to the screen, writes the words down, types them again from the paper, and seals the paper in a bag. Nobody sees another one's words.",
            "It can still be undone by stopping, as before.", ShareSteps.HandOutAsync) { HasParts = true },
        new(6, "Every share is proven", "Quorums of the shares as they were typed, each share in several of them, are combined: each must give the backup key.",
            "It can still be undone by stopping, as before.", BackupKeySteps.ProveAsync),
        new(7, "The root key", "The HSM makes its root key. Nobody ever sees it, and it never leaves the HSM.",
            "It stays on the token, and is worth nothing before keys are made under it.", TokenSteps.MakeRootAsync),
        new(8, "The backup key goes into the HSM", "The backup key is sealed to the HSM's own RSA key and unwrapped inside it. There it wraps and does nothing else: the service will write backups and cannot read them.",
            "It cannot be undone but by initialising the token again.", TokenSteps.ImportBackupKeyAsync) { NeedsBackupKey = true },
        new(9, "A backup opens", "The HSM makes a key and wraps it under the backup key. The custodians' key opens it here, and decrypts what the HSM encrypted.",
            "Nothing stays of it.", TokenSteps.ProveBackupAsync) { NeedsBackupKey = true },
        new(10, "Other tokens", "The backup key is sealed to the RSA key of each other token that was named beforehand, whose fingerprint somebody brought on paper.",
            "A sealed key is worth nothing but in its token.", TokenSteps.SealForOthersAsync) { NeedsBackupKey = true },
    ])
    {
        PointOfNoReturn = 4,
        InMemory = (4, 6),
        WhenVoid = "Every share that was written down is worthless: take the papers out of their bags, destroy them before witnesses, and note the bags. A token that has a backup key already is initialised again. Then begin a new ceremony.",
        Afterwards = "The bags go to their places, each with its receipt. The service is made with keyservice init; its first bundle is written at once. Compare the backup key's id with what keyservice backup list says.",
    };
}
