using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Ceremonies;

/// <summary>The scripts of this version, one for each kind that is held.</summary>
internal static class CeremonyScripts
{
    public static IReadOnlyList<CeremonyScript> All() =>
        [GenesisScript.Create(), ShareCheckScript.Create(), BackupExportScript.Create(), RestoreDrillScript.Create(), RestoreScript.Create(), BackupKeyScript.Create(),
            RecordScripts.OfficerEnrolment(), RecordScripts.KeyDestruction(), RecordScripts.BreakGlassReview()];

    public static CeremonyScript? Find(string kind) => All().FirstOrDefault(script => script.Kind == kind);

    public static CeremonyScript Get(string kind) => Find(kind)
        ?? throw CliError.Usage($"There is no ceremony {kind}.", $"There are: {string.Join(", ", All().Select(each => each.Kind))}.");
}
