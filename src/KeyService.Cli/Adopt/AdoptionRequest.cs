using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Adopt;

/// <summary>What <c>adopt start</c> was asked for. Going on with an adoption needs none of it; what is given has to agree.</summary>
internal sealed record AdoptionRequest(
    IReadOnlyList<(string Name, SourceForm Form)> Columns, string? Key, string? Scope, bool TextTokens)
{
    /// <summary>What a new adoption cannot do without.</summary>
    public (IReadOnlyList<(string Name, SourceForm Form)> Columns, string Key) Required()
    {
        if (Columns.Count == 0 || Key is null)
        {
            throw CliError.Usage("A new adoption needs columns and a key.", "Name them: --column NAME (or --pgcrypto NAME=FORM) and --key NAME.");
        }
        return Columns.Select(column => column.Name).Distinct().Count() == Columns.Count
            ? (Columns, Key)
            : throw CliError.Usage("A column was named twice.", "Name each column once, by --column or by --pgcrypto.");
    }

    public Adoption Resume(Adoption adoption)
    {
        if (adoption.Stage == AdoptionStage.Switched)
        {
            throw new CliError(
                ExitCode.Conflict, "ADOPTION_SWITCHED", $"The columns of {adoption.Table.Display} are switched already.",
                "keyservice adopt commit ends the adoption, keyservice adopt undo takes it back.");
        }
        var other =
            Columns.Count > 0 && !Columns.Select(column => (column.Name, column.Form)).ToHashSet()
                .SetEquals(adoption.Columns.Select(column => (column.Name, column.Form)))
            || (Key is not null && Key != adoption.Key) || (Scope is not null && Scope != adoption.Scope)
            || (TextTokens && !adoption.Columns[0].TextTokens);
        return !other ? adoption : throw new CliError(
            ExitCode.Conflict, "ADOPTION_UNDER_WAY",
            $"Another adoption of {adoption.Table.Display} is under way: {string.Join(", ", adoption.Columns.Select(column => column.Name))} under {adoption.Key}.",
            "Finish it or undo it first; without columns and key, this command goes on with it.");
    }
}
