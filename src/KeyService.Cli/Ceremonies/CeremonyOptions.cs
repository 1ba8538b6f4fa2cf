using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Tokens;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Options of the commands that hold a ceremony: what was settled beforehand.</summary>
internal sealed class CeremonyOptions
{
    private const int MaxShares = 16;

    private readonly Option<string> directory = new("--directory", "-d")
    {
        Description = "New directory that gets transcript and documents", HelpName = "DIRECTORY", Required = true,
    };

    private readonly Option<string> administrator = Person("--administrator", "Drives the ceremony; holds no share");
    private readonly Option<string[]> witnesses = People("--witness", "Sees every step; holds no share; once for each");
    private readonly Option<string[]> custodians = People("--custodian", "Holds a share; once for each, in the order of the shares");
    private readonly Option<string[]> alternates = People("--alternate", "Takes the place of a custodian who does not come");
    private readonly Option<string[]> auditors = People("--auditor", "Looks on");
    private readonly Option<string[]> formerCustodians = People("--former", "Held a share of the set before, and holds none of the new one");
    private readonly Option<string[]> officers = People("--officer", "Is enrolled with a key of his or her own");
    private readonly Option<string[]> signingKeys = new("--signing-key")
    {
        Description = "File of a person's own key (keyservice officer key create), to sign the transcript with", HelpName = "NAME=FILE", DefaultValueFactory = _ => [],
    };

    private readonly Option<bool> rehearsal = new("--rehearsal") { Description = "Practice on a toy token: marked everywhere, and refused where a ceremony is asked for" };
    private readonly TokenOptions token = new();

    public Option<int> Threshold { get; } = new("--threshold") { Description = "Shares that will be needed, 2 or more", HelpName = "M", Required = true };

    public Option<string[]> TransferKeys { get; } = new("--transfer-key")
    {
        Description = "Transfer key of another token that gets the backup key too", HelpName = "FILE", DefaultValueFactory = _ => [],
    };

    public Option<string[]> ShareKeys { get; } = new("--share-key")
    {
        Description = "RSA key (PEM) of a custodian whose share is encrypted to it instead of shown", HelpName = "NAME=FILE", DefaultValueFactory = _ => [],
    };

    public Option<string?> SharePrinter { get; } = new("--share-printer")
    {
        Description = "Command that prints the HTML page on its standard input: shares are printed instead of written by hand", HelpName = "COMMAND",
    };

    public Option<string?> Genesis { get; } = new("--of") { Description = "Transcript (.kst) of the ceremony that made the shares, to compare them with", HelpName = "FILE" };

    public Option<string[]> Bundles { get; } = new("--bundle")
    {
        Description = "Bundle (.ksb): the newest full one first, then each incremental one after it", HelpName = "FILE", Required = true,
    };

    public Option<string?> BundleKey { get; } = new("--bundle-key")
    {
        Description = "Public key (PEM) that must have signed the bundles; keyservice backup signing-key writes it", HelpName = "FILE",
    };

    public string? GenesisOf(Invocation run) => run.Get(Genesis) is { } path ? Path.GetFullPath(path) : null;

    public CeremonyPlan WithBundles(Invocation run, CeremonyPlan plan) => plan with
    {
        Genesis = GenesisOf(run),
        Bundles = [.. run.Required(Bundles).Select(Path.GetFullPath)],
        BundleKey = run.Get(BundleKey) is { } key ? Path.GetFullPath(key) : null,
    };

    public static void RequireCustodians(CeremonyPlan plan, int least)
    {
        if (plan.People.Count(each => each.Role == CeremonyRole.Custodian) < least)
        {
            throw CliError.Usage("There are too few custodians.", $"Name {least} or more: --custodian NAME=\"FULL NAME\".");
        }
    }

    public void AddFormerCustodiansTo(Command command) => command.Add(formerCustodians);

    public void AddOfficersTo(Command command) => command.Add(officers);

    public void AddTo(Command command, bool withToken)
    {
        foreach (var option in new Option[] { directory, administrator, witnesses, custodians, alternates, auditors, signingKeys, rehearsal })
        {
            command.Add(option);
        }
        if (withToken)
        {
            token.AddTo(command);
        }
    }

    public string Directory(Invocation run) => run.Required(directory);

    public CeremonyPlan Read(Invocation run, string kind, bool withToken)
    {
        var isRehearsal = run.Get(rehearsal);
        List<CeremonyPerson> people =
        [
            Read(run.Required(administrator), CeremonyRole.Administrator),
            .. Of(run, witnesses, CeremonyRole.Witness), .. Of(run, custodians, CeremonyRole.Custodian), .. Of(run, alternates, CeremonyRole.Alternate),
            .. Of(run, auditors, CeremonyRole.Auditor), .. Of(run, formerCustodians, CeremonyRole.FormerCustodian), .. Of(run, officers, CeremonyRole.Officer),
        ];
        if (people.GroupBy(each => each.Name, StringComparer.Ordinal).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            throw CliError.Usage($"{twice.Key} is named twice.", "Nobody has two roles in a ceremony: who drives or witnesses holds no share. Name another person.");
        }
        if (people.GroupBy(each => each.FullName, StringComparer.OrdinalIgnoreCase).FirstOrDefault(same => same.Count() > 1) is { } alike)
        {
            throw CliError.Usage($"{alike.Key} is named twice.", "Nobody has two roles in a ceremony. If these are two people, write something that tells them apart.");
        }
        if (people.TrueForAll(each => each.Role != CeremonyRole.Witness))
        {
            throw CliError.Usage("Nobody witnesses.", "Name a witness: --witness NAME=\"FULL NAME\".");
        }
        return new CeremonyPlan
        {
            Kind = kind,
            IsRehearsal = isRehearsal,
            People = people,
            Token = withToken ? token.Read(run) : null,
            SigningKeys = Pairs(run.Get(signingKeys)!, people),
        };
    }

    /// <summary>Quorum and number of shares.</summary>
    public int ThresholdFor(Invocation run, CeremonyPlan plan)
    {
        var (needed, shares) = (run.Required(Threshold), plan.People.Count(each => each.Role == CeremonyRole.Custodian));
        return needed >= 2 && needed <= shares && shares <= MaxShares
            ? needed
            : throw CliError.Usage($"{needed} of {shares} shares is no quorum.", $"At least 2 must be needed, and not more than there are custodians, who are {MaxShares} at most. Three of five is usual.");
    }

    public IReadOnlyDictionary<string, string> ShareKeysOf(Invocation run, CeremonyPlan plan) => Pairs(run.Get(ShareKeys)!, plan.People);

    public IReadOnlyList<string> SharePrinterOf(Invocation run) => run.Get(SharePrinter) is { } command ? Ceremonies.SharePrinter.Parse(command) : [];

    private static Option<string> Person(string name, string description) =>
        new(name) { Description = description, HelpName = "NAME=\"FULL NAME\"", Required = true };

    private static Option<string[]> People(string name, string description) =>
        new(name) { Description = description, HelpName = "NAME=\"FULL NAME\"", DefaultValueFactory = _ => [] };

    private static IEnumerable<CeremonyPerson> Of(Invocation run, Option<string[]> option, string role) => run.Get(option)!.Select(text => Read(text, role));

    private static CeremonyPerson Read(string text, string role) => text.Split('=', 2) is [var name, var full] && ApprovalName.IsName(name) && full.Trim().Length > 0
        && new TranscriptEntry(DateTimeOffset.UnixEpoch, TranscriptEntryType.Person, name, $"{role} {full.Trim()}").IsValid
        ? new CeremonyPerson(name, role, full.Trim())
        : throw CliError.Usage($"\"{text}\" names nobody.", $"Write --{role} carol=\"Carol Chen\": a short name of a-z, 0-9, '.', '_' and '-', and the name in full.");

    private static Dictionary<string, string> Pairs(string[] texts, IReadOnlyList<CeremonyPerson> people)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            if (text.Split('=', 2) is not [var name, var file] || people.All(each => each.Name != name) || !pairs.TryAdd(name, Path.GetFullPath(file)))
            {
                throw CliError.Usage($"\"{text}\" is nobody's file.", "Write NAME=FILE with the short name of somebody who takes part, once for each.");
            }
        }
        return pairs;
    }
}
