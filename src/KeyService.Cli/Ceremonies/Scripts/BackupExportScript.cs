using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Bundles are copied to media, which go to different places.</summary>
internal static class BackupExportScript
{
    public static CeremonyScript Create() => new(CeremonyKind.BackupExport, "Backup export: bundles go to their places",
    [
        CommonSteps.Attendance(1),
        CommonSteps.StationWithoutHsm(2, "Bundles are verified and copied without a token."),
        new(3, "The bundles", "The newest full bundle and what came after it are read to their end: signature, counts, and that each names the one before.",
            "Nothing has been made yet.", BundleSteps.InspectAsync),
        new(4, "The copies", "Each copy is written to its medium, read back from there, sealed in a bag, and handed to the custodian who takes it to its place.",
            "A copy opens nothing without the custodians' shares.", BundleSteps.CopyAsync) { HasParts = true },
    ])
    {
        PointOfNoReturn = int.MaxValue,
        WhenVoid = "Copies that were made are as good as the bundle; note where they are, or destroy them.",
        Afterwards = "Each bag goes to its place with its receipt. Never keep a bag of bundles with a bag of shares.",
    };
}
