using KeyService.Cli.CommandLine;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;
using KeyService.Hsm;

namespace KeyService.Cli.Ceremonies;

/// <summary>A ceremony that goes on: its journal, the people at the desk, the token, and what secrets are in memory.</summary>
internal sealed class CeremonyRun(CeremonyPlan plan, CeremonyScript script, CeremonyJournal journal, ICeremonyDesk desk, string directory, TimeProvider time) : IAsyncDisposable
{
    private readonly List<CeremonyPerson> present = [];
    private HsmToken? token;

    public CeremonyPlan Plan { get; } = plan;

    public CeremonyScript Script { get; } = script;

    public CeremonyJournal Journal { get; } = journal;

    public ICeremonyDesk Desk { get; } = desk;

    /// <summary>Where transcript and documents lie.</summary>
    public string Directory { get; } = directory;

    public TimeProvider Time { get; } = time;

    /// <summary>Who is here.</summary>
    public IReadOnlyList<CeremonyPerson> Present => present;

    /// <summary>The shares as their custodians typed them; zeroed with the run.</summary>
    public List<Share> Shares { get; } = [];

    /// <summary>The shares as they were made, until every one of them is proven.</summary>
    public List<Share> Handout { get; } = [];

    /// <summary>The backup key while it is in memory.</summary>
    public SecretBuffer? BackupKey { get; set; }

    public CeremonyPerson Administrator => present.First(each => each.Role == CeremonyRole.Administrator);

    public CeremonyPerson Witness => present.First(each => each.Role == CeremonyRole.Witness);

    public IEnumerable<CeremonyPerson> Custodians => present.Where(each => each.Role == CeremonyRole.Custodian);

    /// <summary>Who may bring a share: of the set that is replaced, too.</summary>
    public IEnumerable<CeremonyPerson> Holders => present.Where(each => each.Role is CeremonyRole.FormerCustodian or CeremonyRole.Custodian);

    /// <summary>Whether the token was opened.</summary>
    public bool HasToken => token is not null;

    /// <summary>Opens the token, the first time.</summary>
    public HsmToken Token => token ??= Open();

    /// <summary>Since its first entry.</summary>
    public TimeSpan Elapsed => Time.GetUtcNow() - Journal.Transcript.Entries[0].Time;

    public async Task CloseTokenAsync()
    {
        if (token is not null)
        {
            await token.DisposeAsync().ConfigureAwait(false);
            token = null;
        }
    }

    public void Enter(CeremonyPerson person)
    {
        Journal.Add(TranscriptEntryType.Person, person.Name, $"{person.Role} {person.FullName}");
        present.Add(person);
    }

    /// <summary>Takes up who was here, from the journal.</summary>
    public void RecallPeople() => present.AddRange(
        from entry in Journal.Transcript.Entries
        where entry.Type == TranscriptEntryType.Person
        let parts = entry.Text.Split(' ', 2)
        select new CeremonyPerson(entry.Subject, parts[0], parts[^1]));

    public void Fact(string subject, string text)
    {
        Journal.Add(TranscriptEntryType.Fact, subject, text);
        Desk.Say($"  {subject}: {text}");
    }

    public string? RecordedFact(string subject) => Journal.Last(TranscriptEntryType.Fact, subject);

    /// <summary>Records what was to be seen and what was, and stops the step when they differ.</summary>
    public void Compare(string step, string what, string expected, string observed)
    {
        Journal.Add(TranscriptEntryType.Expect, step, $"{what}: {expected}");
        Journal.Add(TranscriptEntryType.Observe, step, $"{what}: {observed}");
        Desk.Say($"  {what}: {observed}");
        if (expected != observed)
        {
            throw new CliError(ExitCode.NotVerified, "NOT_AS_EXPECTED", $"{what} is {observed}, and must be {expected}", "Find out why before anything else is done.");
        }
    }

    public void Observe(string step, string text)
    {
        Journal.Add(TranscriptEntryType.Observe, step, text);
        Desk.Say($"  {text}");
    }

    public void Deviate(string step, string text)
    {
        Journal.Add(TranscriptEntryType.Deviation, step, text);
        Desk.Warn(text);
    }

    /// <summary>A part of a step, entered as a step of its own; skipped when it is done.</summary>
    public async Task PartAsync(string number, string title, CeremonyPerson actor, Func<Task> act)
    {
        if (Journal.IsDone(number))
        {
            return;
        }
        Journal.Add(TranscriptEntryType.Begin, number, title);
        await act().ConfigureAwait(false);
        Journal.Add(TranscriptEntryType.Done, number, $"{actor.Name} {Witness.Name}");
    }

    public async ValueTask DisposeAsync()
    {
        Forget();
        await CloseTokenAsync().ConfigureAwait(false);
    }

    /// <summary>Zeroes what is secret.</summary>
    public void Forget()
    {
        Shares.ForEach(share => share.Dispose());
        Shares.Clear();
        Handout.ForEach(share => share.Dispose());
        Handout.Clear();
        BackupKey?.Dispose();
        BackupKey = null;
    }

    private HsmToken Open() => HsmToken.Open(
        Plan.Token ?? throw CliError.Usage("The ceremony needs a token, and none was named.", "Name it with --module, --token-label and --pin-file."), Time);
}
