using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>The script with everything that was expected and seen, two boxes for initials behind each step, and what went otherwise.</summary>
internal static class ScriptSheet
{
    public const string Name = "script.html";

    private static readonly Html Style = new("""
        <style>
        .steps td:first-child, .steps th:first-child { width: 17mm; white-space: nowrap; } .steps td:nth-child(2), .steps th:nth-child(2) { width: 38%; }
        .steps tr.part td { border-bottom: .2mm solid #000; font-weight: 600; padding-top: 3mm; } .steps tr.otherwise td { border-left: 1.2mm solid #000; padding-left: 3mm; }
        .done { display: flex; align-items: center; gap: 4mm; break-inside: avoid; margin: 1mm 0 2mm; } .done > :first-child { flex: 1; }
        .box { border: .4mm solid #000; width: 17mm; height: 10mm; font-size: 6.5pt; line-height: 1; padding: .8mm 1mm; flex: none; }
        tr.done-row td { border-bottom: .4mm solid #000; } tr.done-row td { vertical-align: middle; } section { margin-bottom: 4mm; } section > p { break-after: avoid; break-inside: avoid; }
        </style>

        """);

    public static PrintedSheet Of(PrintedCeremony ceremony) => new(Name, "Annotated script",
        "Every step with what was read aloud, what was expected and what was seen, who did it and who saw it, with boxes for their initials. For the file.",
        Html.Of($"""
            {Style}{IdentityTable.Full(ceremony)}
            {People(ceremony)}
            {Deviations(ceremony)}
            {ScriptSteps.Of(ceremony).Select(step => Step(ceremony, step))}
            <section>
            <h2>The end</h2>
            <p>{PrintedCeremony.Minute(ceremony.Ended)}. {IdentityTable.Result(ceremony)}</p>
            {(ceremony.Script is { } script ? Html.Of($"<p class=\"quiet\">If it is void: {script.WhenVoid}</p>\n<p class=\"quiet\">Afterwards: {script.Afterwards}</p>\n") : Html.Of($"<p class=\"quiet\">The texts of the steps are those of another version of the script, and are not printed here.</p>\n"))}</section>
            """));

    private static Html People(PrintedCeremony ceremony) => Html.Of($"""
        <h2>Who took part</h2>
        <table>
        <thead><tr><th>Name</th><th>Role</th><th>In the transcript</th><th style="width: 40mm">Initials used here</th></tr></thead>
        {ceremony.People.Select(person => Html.Of($"<tr><td>{person.FullName}</td><td>{person.Role.Replace('-', ' ')}</td><td><code>{person.Name}</code></td><td></td></tr>\n"))}</table>
        """);

    private static Html Deviations(PrintedCeremony ceremony) => ceremony.Deviations.Count == 0
        ? Html.Of($"<h2>Deviations</h2>\n<p>None: everything went as the script says.</p>")
        : Html.Of($"<h2>Deviations: {ceremony.Deviations.Count}</h2>\n{ceremony.Deviations.Select(each => Html.Of($"<div class=\"deviation\"><strong>Step {each.Subject}, {PrintedCeremony.Clock(each.Time)}</strong><br>{each.Text}</div>\n"))}");

    private static Html Step(PrintedCeremony ceremony, ScriptStep step) => Html.Of($"""
        <section>
        <h2>{step.Number}. {step.Title}</h2>
        {(step.What is null ? Html.Empty : Html.Of($"<p>{step.What}</p>\n<p class=\"quiet\">{step.Undo}</p>\n"))}{(step.Entries.Count == 0 ? Html.Of($"<p><strong>Not done.</strong></p>\n") : Html.Of($"""
            <table class="steps">
            <thead><tr><th>UTC</th><th>Expected</th><th>Seen</th></tr></thead>
            {Rows(ceremony, step)}</table>

            """))}</section>

        """);

    private static IEnumerable<Html> Rows(PrintedCeremony ceremony, ScriptStep step)
    {
        for (var at = 0; at < step.Entries.Count; at++)
        {
            var entry = step.Entries[at];
            var time = PrintedCeremony.Clock(entry.Time);
            // A comparison is written as two entries.
            var seen = entry.Type == TranscriptEntryType.Expect && at + 1 < step.Entries.Count && step.Entries[at + 1] is { Type: TranscriptEntryType.Observe } next && next.Subject == entry.Subject ? next : null;
            at += seen is null ? 0 : 1;
            yield return entry.Type switch
            {
                TranscriptEntryType.Begin when entry.Subject == step.Number && entry.Text == step.Title => Row(time, Html.Of($"<em>Begun</em>"), Html.Empty),
                TranscriptEntryType.Begin => Html.Of($"<tr class=\"part\"><td>{time}</td><td colspan=\"2\">{entry.Subject} {entry.Text}</td></tr>\n"),
                TranscriptEntryType.Expect => Row(time, Html.Of($"{entry.Text}"), Html.Of($"{seen?.Text ?? "nothing"}")),
                TranscriptEntryType.Observe => Row(time, Html.Empty, Html.Of($"{entry.Text}")),
                TranscriptEntryType.Person => Row(time, Html.Empty, Html.Of($"{ceremony.FullName(entry.Subject)} is here, as {entry.Text.Split(' ')[0]}; two people looked at the identity documents.")),
                TranscriptEntryType.Fact => Row(time, Html.Empty, Named(entry.Subject, entry.Subject.StartsWith("hsm.", StringComparison.Ordinal) ? Html.Of($"{entry.Text}") : IdentityTable.Value(entry.Text))),
                TranscriptEntryType.Share => Row(time, Html.Empty, Named($"share {entry.Subject}", Html.Of($"{entry.Text}"))),
                TranscriptEntryType.Attach => Row(time, Html.Empty, Named($"file {entry.Subject}", Html.Of($"SHA-256 {entry.Text} bytes"))),
                TranscriptEntryType.Deviation => Html.Of($"<tr class=\"otherwise\"><td>{time}</td><td colspan=\"2\"><strong>Deviation.</strong> {entry.Text}</td></tr>\n"),
                _ => Done(ceremony, entry, time),
            };
        }
    }

    private static Html Named(string name, Html value) => Html.Of($"<code>{name}</code>: {value}");

    private static Html Row(string time, Html expected, Html seen) => Html.Of($"<tr><td>{time}</td><td>{expected}</td><td>{seen}</td></tr>\n");

    private static Html Done(PrintedCeremony ceremony, TranscriptEntry entry, string time)
    {
        var (actor, witness) = entry.Text.Split(' ') is [var first, var second] ? (ceremony.FullName(first), ceremony.FullName(second)) : (entry.Text, "");
        return Html.Of($"""
            <tr class="done-row"><td>{time}</td><td colspan="2"><div class="done"><span><strong>{entry.Subject} done</strong> by {actor}, seen by {witness}</span><span class="box">did it</span><span class="box">saw it</span></div></td></tr>

            """);
    }
}
