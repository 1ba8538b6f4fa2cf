using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Campaign = KeyService.Server.Holdings.Campaign;
using CampaignKind = KeyService.Server.Holdings.CampaignKind;
using CampaignState = KeyService.Server.Holdings.CampaignState;
using Credential = KeyService.Server.Access.Credential;
using Holding = KeyService.Server.Holdings.Holding;
using HoldingKind = KeyService.Server.Holdings.HoldingKind;
using KeyPurpose = KeyService.Server.Keys.KeyPurpose;
using KeyState = KeyService.Server.Keys.KeyState;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;
using RotationPolicy = KeyService.Server.Keys.RotationPolicy;

namespace KeyService.Tests.Holdings;

/// <summary>
/// A store with the principal "ehr" and a key "ehr/patient" whose first version was replaced by its second at the test's beginning; row MACs
/// by a key in software.
/// </summary>
internal sealed class HoldingsStore : IAsyncDisposable
{
    public const string Key = "ehr/patient";
    public const string Owner = "ehr";

    private HoldingsStore(StoreFile file, TestTime time, RowAuthenticator rows, SqliteStore store, AccessRegister access)
    {
        (File, Time, Rows, Store) = (file, time, rows, store);
        Dependencies = new Dependencies(store, rows, Sources, time);
        Holdings = new HoldingChanges(access, rows);
        Campaigns = new CampaignChanges(new CampaignProving(Dependencies, rows, time), rows);
    }

    public StoreFile File { get; }

    public TestTime Time { get; }

    public RowAuthenticator Rows { get; }

    public SqliteStore Store { get; }

    public List<DependencySource> Sources { get; } = [];

    public Dependencies Dependencies { get; }

    public HoldingChanges Holdings { get; }

    public CampaignChanges Campaigns { get; }

    public KeyVersionId Old { get; } = KeyVersionId.NewRandom();

    public KeyVersionId Active { get; } = KeyVersionId.NewRandom();

    public static async Task<HoldingsStore> OpenAsync()
    {
        var (file, time, rows) = (new StoreFile(), new TestTime(), SoftwareRows.Of());
        var store = file.Open(time);
        await SoftwareRows.InstallAsync(store, rows);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.PrincipalCreated),
            transaction => new AccessRows(rows).InsertAsync(transaction, new Principal
            {
                Name = Owner, Type = PrincipalType.Service, Credential = Credential.OfUid(7), Disabled = false, CreateTime = transaction.Time, Revision = 1,
            }),
            CancellationToken.None);
        var opened = new HoldingsStore(file, time, rows, store, await AccessRegister.LoadAsync(store, rows, time, CancellationToken.None));
        var now = time.GetUtcNow();
        await opened.CommitAsync(async transaction =>
        {
            var keys = new KeyTables(rows);
            await keys.InsertKeyAsync(
                transaction, new KeyRow(Key, KeyPurpose.EncryptDecrypt, RotationPolicy.Default, now, opened.Active, VersionCount: 2, VersionChangeCount: 2, 0, now.AddDays(90), Revision: 1));
            await keys.InsertVersionAsync(
                transaction, new KeyVersionRow(opened.Old, Key, KeyState.Deactivated, now.AddDays(-90), now.AddDays(-90), now, new byte[60], null, Revision: 1));
            await keys.InsertVersionAsync(transaction, new KeyVersionRow(opened.Active, Key, KeyState.Active, now, now, null, new byte[60], null, Revision: 1));
            return true;
        });
        time.Advance(TimeSpan.FromMinutes(1));
        return opened;
    }

    /// <summary>Runs a change in a commit of its own.</summary>
    public async Task<T> CommitAsync<T>(Func<IStoreTransaction, Task<T>> change)
    {
        T result = default!;
        await Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.HoldingReported), async transaction => result = await change(transaction), CancellationToken.None);
        return result;
    }

    public Task RegisterAsync(string name, string pattern = Key, DateTimeOffset? writeOnceUntil = null, string owner = Owner)
    {
        Assert.True(KeyPattern.TryParse(pattern, out var keys));
        return CommitAsync(transaction => Holdings.RegisterAsync(transaction, new Holding(
            name, HoldingKind.External, keys, "somewhere", owner, [], writeOnceUntil, Time.GetUtcNow(), Retired: false, null, null, null, null, 0, 1)));
    }

    public Task<ReportHoldingResponse> ReportAsync(
        string name, ScanPhase phase, string scanId = "", IReadOnlyDictionary<KeyVersionId, long>? counts = null, string by = Owner) =>
        CommitAsync(transaction => Holdings.ReportAsync(
            transaction, by, new ReportHoldingRequest { Name = name, Phase = phase, ScanId = scanId }, counts ?? new Dictionary<KeyVersionId, long>()));

    /// <summary>A whole scan that begins now and ends a minute later.</summary>
    public async Task ScanAsync(string name, long old, long active = 10)
    {
        var begun = await ReportAsync(name, ScanPhase.Begin);
        Time.Advance(TimeSpan.FromMinutes(1));
        await ReportAsync(name, ScanPhase.Complete, begun.ScanId, new Dictionary<KeyVersionId, long> { [Old] = old, [Active] = active });
    }

    public Task<Campaign> StartCampaignAsync(string name, params KeyVersionId[] versions) =>
        CommitAsync(transaction => Campaigns.StartAsync(transaction, new Campaign(
            name, CampaignKind.Rewrap, Key, versions, 0, CampaignState.Running, "root-admin", Time.GetUtcNow(), null, null,
            null, 1)));

    public Task<EndCampaignResponse> EndCampaignAsync(string name, bool abandon = false, bool acceptPinned = false) =>
        CommitAsync(transaction => Campaigns.EndAsync(transaction, name, abandon, acceptPinned, "root-admin"));

    public async Task<IEnumerable<string>> NeededByAsync(KeyVersionId version) =>
        (await Dependencies.OfVersionAsync(version, CancellationToken.None)).Select(each => $"{each.Kind} {each.Subject}");

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        File.Dispose();
    }
}
