using System.Security.Cryptography;
using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>One page that everybody signs: what was done, by whom, on which HSM, with which result.</summary>
internal static class AttestationSheet
{
    public const string Name = "attestation.html";

    // What must fit on one page whatever a transcript says is bounded; the annotated script has all of it.
    private const int MaxRows = 9;
    private const int MaxText = 110;
    private const int MaxName = 40;
    private const int ManyPeople = 9;
    private const int MaxPeople = 18;
    private const int MaxRowsOfMany = 3;

    private static readonly Dictionary<string, string> Named = new(StringComparer.Ordinal)
    {
        [TokenSteps.BackupKeyFact] = "Backup key", ["shares.set"] = "Set of shares", ["shares.quorum"] = "Shares needed", ["shares.checked"] = "Shares checked",
        ["transfer-key.fingerprint"] = "Key of the HSM for the backup key", ["roster.hash"] = "Roster", ["roster.quorum"] = "Quorum of officers", ["restore.seconds"] = "Seconds it took",
        [BundleSteps.BackupKeyFact] = "Backup key", [BundleSteps.SignerFact] = "Bundles signed by",
    };

    private static readonly Html Style = new("""
        <style>
        body { font-size: 9pt; line-height: 1.3; } h1 { font-size: 15pt; margin-bottom: 1.5mm; } h2 { font-size: 10.5pt; margin: 3mm 0 1mm; } p { margin-bottom: 1.5mm; }
        th, td { padding: .6mm 2mm .6mm 0; } .hex { font-size: 7.5pt; }
        table.facts th { width: 40mm; }
        .signing td { height: 9mm; vertical-align: bottom; } .signing .hex { font-size: 6.4pt; } .signing td:nth-child(1) { width: 44mm; } .signing td:nth-child(2) { width: 60mm; line-height: 1.15; }
        .many { font-size: 8.5pt; } .many h2 { margin: 2mm 0 .5mm; } .many th, .many td { padding: .3mm 2mm .3mm 0; } .many table, .many p { margin-bottom: 1mm; }
        .cards { display: grid; grid-template-columns: 1fr 1fr; gap: 0 6mm; } .card { height: 10.4mm; border-bottom: .3mm solid #000; font-size: 8pt; line-height: 1.2; overflow-wrap: anywhere; } .card .hex { font-size: 5.4pt; }
        </style>

        """);

    public static PrintedSheet Of(PrintedCeremony ceremony) => new(Name, "Attestation of a key ceremony",
        "One page: what was done, by whom in which role, fingerprints, the HSM, the result, which keys signed, and lines to sign on. For the file and for auditors.",
        Html.Of($"""
            {Style}<div class="attestation{(IsMany(ceremony) ? " many" : "")}">
            {IdentityTable.Full(ceremony)}
            <h2>What was done</h2>
            <p>{Steps(ceremony)} {Otherwise(ceremony)}</p>
            {IdentityTable.Table([.. Hsm(ceremony), .. Results(ceremony)])}
            <h2>Who was there, and signs</h2>
            <p>{(ceremony.IsVoid ? "We saw what the transcript with the last hash above says, up to where the ceremony became void." : "We saw what the transcript with the last hash above says, each in the role that stands beside the name.")}</p>
            {(IsMany(ceremony) ? Cards(ceremony) : Lines(ceremony))}
            <p class="quiet">{Verified(ceremony)}</p>
            </div>
            """));

    private static string Steps(PrintedCeremony ceremony)
    {
        var done = ScriptSteps.Of(ceremony).Where(step => step.Entries.Any(each => each.Type == TranscriptEntryType.Done && each.Subject == step.Number)).Select(step => $"{step.Number} {step.Title}").ToList();
        var all = ceremony.Script is { } script ? $" of {script.Steps.Count}" : "";
        return done.Count == 0 ? "No step was done." : $"{done.Count}{all} steps: {IdentityTable.Shortened(string.Join("; ", done), IsMany(ceremony) ? 110 : 360)}.";
    }

    private static string Otherwise(PrintedCeremony ceremony) => ceremony.Deviations.Count switch
    {
        0 => "Nothing went otherwise than the script says.",
        1 => "One deviation from the script is set out in the annotated script.",
        var count => $"{count} deviations from the script are set out in the annotated script.",
    };

    private static IEnumerable<(string Name, Html Value)> Hsm(PrintedCeremony ceremony)
    {
        if (ceremony.Fact("hsm.serial") is { } serial)
        {
            yield return ("HSM", Html.Of($"serial number <strong>{IdentityTable.Shortened(serial, MaxName)}</strong>, {IdentityTable.Shortened(ceremony.Fact("hsm.model") ?? "", 2 * MaxName)}, label {IdentityTable.Shortened(ceremony.Fact("hsm.label") ?? "", MaxName)}"));
        }
        if (ceremony.Fact(TranscriptVerdict.WithoutHsm) is { } none)
        {
            yield return ("No signature of an HSM", Html.Of($"{IdentityTable.Shortened(none, IsMany(ceremony) ? 60 : MaxText)}"));
        }
    }

    private static List<(string Name, Html Value)> Results(PrintedCeremony ceremony)
    {
        List<(string, Html)> rows =
        [
            .. ceremony.Facts.Where(each => Named.ContainsKey(each.Subject)).GroupBy(each => Named[each.Subject]).Select(same => (same.Key, IdentityTable.Value(Short(same.Last().Text)))),
            .. ceremony.Facts.Where(each => each.Subject.StartsWith("result.", StringComparison.Ordinal)).Select(each => (each.Subject["result.".Length..].Replace('-', ' '), IdentityTable.Value(Short(each.Text)))),
            .. ceremony.Copies.Select(copy => ($"Copy {copy.Number}", Html.Of($"bag {Short(copy.Bag)}, with {Short(copy.CourierName)}, at {Short(copy.Place)}"))),
            .. Bags(ceremony),
        ];
        var most = IsMany(ceremony) ? MaxRowsOfMany : MaxRows;
        return rows.Count <= most ? rows : [.. rows.Take(most - 1), ("And", Html.Of($"{rows.Count - most + 1} more in the annotated script"))];
    }

    private static IEnumerable<(string Name, Html Value)> Bags(PrintedCeremony ceremony) => ceremony.Shares.Count == 0
        ? []
        : [("Shares in bags", Html.Of($"{IdentityTable.Shortened(string.Join("; ", ceremony.Shares.Select(share => $"{share.Index}: {share.Bag}")), 240)}"))];

    private static bool IsMany(PrintedCeremony ceremony) => ceremony.People.Count > ManyPeople;

    private static Html Lines(PrintedCeremony ceremony) => Html.Of($"""
        <table class="signing">
        <thead><tr><th>Name and role</th><th>Signature by key (SHA-256 of the public key)</th><th>By hand</th><th style="width: 20mm">Date</th></tr></thead>
        {HsmSignatures(ceremony).Select(each => Html.Of($"<tr><td>HSM {each.Signer}</td><td>{Key(ceremony, each)}</td><td>not by hand</td><td></td></tr>\n"))}{ceremony.People.Select(person => Html.Of($"<tr><td>{Role(person, 60)}</td><td>{KeyOf(ceremony, person)}</td><td></td><td></td></tr>\n"))}</table>
        """);

    // Two side by side, the line to sign on below each.
    private static Html Cards(PrintedCeremony ceremony) => Html.Of($"""
        <div class="cards">
        {HsmSignatures(ceremony).Select(each => Html.Of($"<div class=\"card\">HSM {each.Signer}, not by hand<br>{Key(ceremony, each)}</div>\n"))}{ceremony.People.Take(MaxPeople).Select(person => Html.Of($"<div class=\"card\">{Role(person, MaxName)}<br>{KeyOf(ceremony, person)}</div>\n"))}</div>
        {(ceremony.People.Count > MaxPeople ? Html.Of($"<p>{ceremony.People.Count - MaxPeople} more are named in the annotated script, and sign there.</p>\n") : Html.Empty)}
        """);

    private static IEnumerable<TranscriptSignature> HsmSignatures(PrintedCeremony ceremony) => ceremony.Transcript.Signatures.Where(each => each.IsHsm);

    private static Html Role(CeremonyPerson person, int length) => Html.Of($"<strong>{IdentityTable.Shortened(person.FullName, length)}</strong>, {person.Role.Replace('-', ' ')}");

    private static Html KeyOf(PrintedCeremony ceremony, CeremonyPerson person) =>
        ceremony.Transcript.Signatures.FirstOrDefault(each => !each.IsHsm && each.Signer == person.Name) is { } signature ? Key(ceremony, signature) : Html.Of($"none: signs by hand");

    private static Html Key(PrintedCeremony ceremony, TranscriptSignature signature) =>
        Html.Of($"{Html.Digits(Convert.ToHexStringLower(SHA256.HashData(signature.PublicKey.Span)))}{(ceremony.Known.Knows(signature) ? " compared" : "")}");

    private static string Verified(PrintedCeremony ceremony)
    {
        var signatures = ceremony.Transcript.Signatures;
        var compared = signatures.Count(ceremony.Known.Knows);
        var chain = "When this was printed, the transcript's chain of hashes held";
        return signatures.Count == 0 ? $"{chain}. No key has signed it: it stands on the signatures by hand."
            : $"{chain}, and every signature listed here verified by the key beside it. "
                + (compared == signatures.Count ? "Each key was compared with one that was known from elsewhere."
                    : compared == 0 ? "No key was compared with a known one: compare the fingerprints with those that were handed out."
                    : "Keys marked compared were compared with ones that were known from elsewhere; compare the others with those that were handed out.");
    }

    private static string Short(string text) => IdentityTable.Shortened(text, MaxText);
}
