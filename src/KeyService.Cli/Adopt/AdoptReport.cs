using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Adopt;

/// <summary>What an adopt command answers: how far the adoption is, and what to do next.</summary>
internal static class AdoptReport
{
    public static void Write(Invocation run, Adoption adoption, long rows, TimeSpan elapsed)
    {
        var next = Next(adoption);
        run.Report.Write(new Record
        {
            ["table"] = adoption.Table.Display,
            ["columns"] = adoption.Columns.Select(column => column.Name).ToList(),
            ["key"] = adoption.Key,
            ["scope"] = adoption.Scope,
            ["stage"] = StageName(adoption.Stage),
            ["rows"] = rows,
            ["seconds"] = Math.Round(elapsed.TotalSeconds, 3),
            ["next"] = next,
        });
    }

    public static string StageName(AdoptionStage stage) => stage.ToString().ToLowerInvariant();

    public static string Next(Adoption adoption) => adoption.Stage switch
    {
        AdoptionStage.Encrypting => "keyservice adopt verify",
        AdoptionStage.Verified => "keyservice adopt switch, together with the application that reads tokens",
        AdoptionStage.Switched => "keyservice adopt commit when the application is proven; keyservice adopt undo until then",
        _ => "older backups and archived WAL still hold the old values: let them expire",
    };
}
