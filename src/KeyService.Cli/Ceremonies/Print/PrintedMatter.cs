namespace KeyService.Cli.Ceremonies;

/// <summary>All sheets of a ceremony, the index last.</summary>
internal static class PrintedMatter
{
    public static IReadOnlyList<PrintedSheet> Of(PrintedCeremony ceremony)
    {
        PrintedSheet[] sheets =
        [
            AttestationSheet.Of(ceremony), ScriptSheet.Of(ceremony), LabelSheet.Of(ceremony), ReceiptSheet.Of(ceremony), RecoverySheet.Of(ceremony),
        ];
        return [.. sheets, IndexSheet.Of(ceremony, sheets)];
    }
}
