using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Which ceremony a sheet belongs to.</summary>
internal static class IdentityTable
{
    /// <summary>Enough to find the transcript.</summary>
    public static Html Short(PrintedCeremony ceremony) => Table(
    [
        ("Ceremony", Html.Of($"{ceremony.Title}<br>{ceremony.Kind} {Html.Digits(ceremony.Id)}")),
        ("Held", Html.Of($"{PrintedCeremony.Minute(ceremony.Began)} to {PrintedCeremony.Minute(ceremony.Ended)}")),
        ("Result", Result(ceremony)),
        ("Last hash", Html.Digits(ceremony.LastHash)),
    ]);

    /// <summary>Everything that says which one it was, by which script, on which software.</summary>
    public static Html Full(PrintedCeremony ceremony) => Table(
    [
        ("Ceremony", Html.Of($"{ceremony.Title}<br>{ceremony.Kind} {Html.Digits(ceremony.Id)}")),
        ("Held", Html.Of($"{PrintedCeremony.Minute(ceremony.Began)} to {PrintedCeremony.Minute(ceremony.Ended)}, by the station's clock")),
        ("Result", Result(ceremony)),
        .. Optional("Installation", ceremony.Installation),
        ("Script (SHA-256)", Html.Digits(ceremony.ScriptHash)),
        .. ceremony.Facts.Where(fact => fact.Subject.StartsWith("software.", StringComparison.Ordinal) && fact.Subject != "software.script").Select(fact =>
            ($"Software, {fact.Subject["software.".Length..]}", Value(fact.Text))),
        ("Last hash, signed", Html.Digits(ceremony.LastHash)),
        ("Transcript (SHA-256)", Html.Digits(ceremony.FileHash)),
    ]);

    public static Html Result(PrintedCeremony ceremony) => ceremony.Verdict.Ending switch
    {
        TranscriptVerdict.Completed => Html.Of($"<strong>Completed.</strong> {ceremony.Reason}{Rehearsal(ceremony)}"),
        TranscriptVerdict.Void => Html.Of($"<strong>Void: nothing that was made counts.</strong> {Shortened(ceremony.Reason)}{Rehearsal(ceremony)}"),
        _ => Html.Of($"<strong>Postponed: nothing was made.</strong> {Shortened(ceremony.Reason)}{Rehearsal(ceremony)}"),
    };

    public static Html Table(IEnumerable<(string Name, Html Value)> rows) =>
        Html.Of($"<table class=\"facts\">\n{rows.Select(row => Html.Of($"<tr><th>{row.Name}</th><td>{row.Value}</td></tr>\n"))}</table>\n");

    public static IEnumerable<(string Name, Html Value)> Optional(string name, string? value) => value is null ? [] : [(name, Value(value))];

    /// <summary>Digests and ids in groups, everything else as it is.</summary>
    public static Html Value(string text) => text.Length is 16 or 32 or 64 && text.All(char.IsAsciiHexDigitLower) ? Html.Digits(text) : Html.Of($"{text}");

    /// <summary>For a page that must stay one; the annotated script has the whole text.</summary>
    public static string Shortened(string text, int length = 240) => text.Length <= length ? text : $"{text[..length]} …";

    private static Html Rehearsal(PrintedCeremony ceremony) =>
        ceremony.Transcript.Header.IsRehearsal ? Html.Of($" <strong>It was a rehearsal: it proves nothing but that people can do it.</strong>") : Html.Empty;
}
