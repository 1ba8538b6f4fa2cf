using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>The backup key in other hands: a custodian leaves, a share was lost.</summary>
internal static class BackupKeyScript
{
    public static CeremonyScript Create() => new(CeremonyKind.BackupKey, "Backup key: the same key in new shares",
    [
        CommonSteps.Attendance(1),
        CommonSteps.StationWithoutHsm(2, "The key in the HSM stays as it is; only its shares are made anew."),
        new(3, "The shares before", "As many holders of the shares before as are needed type theirs. Each is compared with its record.",
            "The backup key is in the memory of this station until step 6. Nothing has been made yet.", (run, _) =>
            {
                ShareCollection.Recall(run, "3");
                return Task.CompletedTask;
            }),
        new(4, "New shares", "The key is split again, into another set. A share of the set before and one of the new set do not go together.",
            "It can still be undone by stopping: the shares before stay good.", BackupKeySteps.SplitAgainAsync),
        new(5, "The shares", "One custodian after the other comes to the screen, writes the words down, types them again from the paper, and seals the paper in a bag. Nobody sees another one's words.",
            "It can still be undone by stopping, as before.", ShareSteps.HandOutAsync) { HasParts = true },
        new(6, "Every share is proven", "Quorums of the shares as they were typed, each share in several of them, are combined: each must give the backup key.",
            "It can still be undone by stopping, as before.", BackupKeySteps.ProveAsync),
        new(7, "The papers before", "The papers of the set before are destroyed before witnesses: with a quorum of them the key still comes out.",
            "It cannot be undone. From now on the new shares count.", BackupKeySteps.DestroyFormerPapersAsync),
    ])
    {
        PointOfNoReturn = 4,
        InMemory = (3, 6),
        WhenVoid = "Papers of the new set are destroyed before witnesses. The shares before stay good, and go back into bags.",
        Afterwards = "The bags go to their places, each with its receipt. From now on this transcript is what shares are compared with.",
    };
}
