using System.Security.Cryptography;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Detection;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Trust;
using KeyService.Tests.Alarms;
using KeyService.Tests.Storage;
using Credential = KeyService.Server.Access.Credential;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Tests.AccessReviews;

/// <summary>
/// Reviews of access over any store, with a clock that the test moves: alice and root-admin administer access, dave and erin are managers, zoe is a
/// person, database and backup are services, triage is an AI system.
/// </summary>
internal sealed class AccessReviewBed : IDisposable
{
    public static readonly byte[] RosterSha256 = SHA256.HashData("the list"u8);

    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private readonly RowAuthenticator _rows;
    private uint _uids = 2000;

    private AccessReviewBed(IStore store, RowAuthenticator rows, TestTime time, AccessRegister register, ReviewSigner? signer)
    {
        Store = store;
        _rows = rows;
        Time = time;
        Register = register;
        Signer = signer ?? new(_ => ValueTask.FromResult(Key.ExportSubjectPublicKeyInfo()), (digest, _) => ValueTask.FromResult(Key.SignHash(digest.Span)));
        Clock = new ClockGuard(time, ClockGuard.DefaultTolerance, () => TimeSpan.Zero);
        Administration = new AccessAdministration(register, rows, time);
        Reviews = new AccessReviewTable(rows);
        Items = new AccessReviewItemTable(rows);
        Campaign = new AccessReviewCampaign(Reviews, Items, Administration, register, rows);
        Alarms = new AlarmServer(store, rows, time);
    }

    public IStore Store { get; }

    public TestTime Time { get; }

    public AccessRegister Register { get; }

    public AccessAdministration Administration { get; }

    public AccessReviewTable Reviews { get; }

    public AccessReviewItemTable Items { get; }

    public AccessReviewCampaign Campaign { get; }

    public ReviewSigner Signer { get; set; }

    public AlarmServer Alarms { get; }

    public StoreTrust Trust { get; } = new();

    public ClockGuard Clock { get; }

    public AccessReviewDeadline Deadline =>
        new(Campaign, Reviews, Administration, Signer, Store, _rows, new ProtectionGate(Trust, Clock), Clock, Time) { Settles = TimeSpan.Zero };

    /// <summary>As a server that starts on the store: nothing in memory but what it loads.</summary>
    public static async Task<AccessReviewBed> OpenAsync(IStore store, RowAuthenticator rows, TestTime time, ReviewSigner? signer = null) =>
        new(store, rows, time, await AccessRegister.LoadAsync(store, rows, time, CancellationToken.None), signer);

    /// <summary>On a store that was installed just now.</summary>
    public static async Task<AccessReviewBed> MakeAsync(IStore store, RowAuthenticator rows, TestTime time, ReviewSigner? signer = null)
    {
        var bed = await OpenAsync(store, rows, time, signer);
        foreach (var person in new[] { "alice", "dave", "erin", "zoe" })
        {
            await bed.RegisterAsync(person, PrincipalType.Person);
        }

        await bed.RegisterAsync("database", PrincipalType.Service);
        await bed.RegisterAsync("backup", PrincipalType.Service);
        await bed.RegisterAsync("triage", PrincipalType.AiSystem);
        await bed.GrantAsync("alice", Permission.AdministerAccess);
        await bed.GrantAsync("database", Permission.Encrypt, Permission.Decrypt);
        await bed.GrantAsync("dave", Permission.AttestAccess);
        await bed.GrantAsync("erin", Permission.AttestAccess);
        return bed;
    }

    public void Dispose() => Administration.Dispose();

    /// <summary>The list that fits: dave answers for everybody but himself, for whom erin does.</summary>
    public static IReadOnlyList<RosterLine> Roster(params RosterLine[] otherwise) =>
    [
        .. new[] { "alice", "erin", "zoe", "database", "backup", "triage", "root-admin" }.Select(name => new RosterLine(name, "dave", null)).Append(new RosterLine("dave", "erin", null))
            .Where(line => otherwise.All(each => each.Principal != line.Principal)),
        .. otherwise,
    ];

    public Task<(AccessReviewRow Review, ReviewScope Scope)> StartAsync(IReadOnlyList<RosterLine>? roster = null, string by = "alice", int days = 14) => ChangeAsync(
        AuditEvent.AccessReviewStarted, transaction => Campaign.StartAsync(transaction, by, roster ?? Roster(), RosterSha256, Time.GetUtcNow() + TimeSpan.FromDays(days)));

    /// <summary>As it is shown now.</summary>
    public byte[] DigestOf(string name) => Register.Current.Principals.TryGetValue(name, out var principal)
        ? AccessStatement.DigestOf(principal, Register.Current.GrantsOf(name), Time.GetUtcNow()) : new byte[32];

    public Task<ReviewedPrincipal> AttestAsync(string name, ReviewVerdict verdict = ReviewVerdict.Keep, string by = "dave", string note = "", byte[]? digest = null) => ChangeAsync(
        AuditEvent.AccessAttested, transaction => Campaign.AttestAsync(transaction, by, name, verdict, digest ?? DigestOf(name), note));

    public Task<ReviewedPrincipal> ReassignAsync(string name, string manager, string by = "alice") =>
        ChangeAsync(AuditEvent.AccessReviewReassigned, transaction => Campaign.ReassignAsync(transaction, by, name, manager, "nobody was named"));

    /// <summary>Everybody but these is attested by the manager.</summary>
    public async Task AttestOthersAsync(params string[] but)
    {
        foreach (var item in (await EverybodyAsync()).Where(each => each.IsPending && !but.Contains(each.Name)))
        {
            await AttestAsync(item.Name, by: item.Manager);
        }
    }

    public async Task<AccessReviewRow> CloseAsync(string by = "alice")
    {
        var signed = await Campaign.SignAsync(Store, Signer, by, Time.GetUtcNow(), CancellationToken.None);
        return await CloseAsync(signed);
    }

    public Task<AccessReviewRow> CloseAsync(SignedReview? signed) => ChangeAsync(AuditEvent.AccessReviewClosed, transaction => Campaign.CloseAsync(transaction, signed));

    /// <summary>As the server has it: takes note at the first call.</summary>
    public AccessReviewDeadline Unsettled => new(Campaign, Reviews, Administration, Signer, Store, _rows, new ProtectionGate(Trust, Clock), Clock, Time);

    public Task StepAsync() => Deadline.StepAsync(CancellationToken.None);

    /// <summary>Until the newest review is due, with its end told of in time.</summary>
    public async Task PassAsync()
    {
        var review = await NewestAsync();
        Time.Advance(review.AnnounceTime - Time.GetUtcNow());
        await StepAsync();
        Time.Advance(review.DueTime - Time.GetUtcNow());
    }

    /// <summary>An officer accepts a database that was put back.</summary>
    public Task<bool> AcceptStoreAsync() => ChangeAsync(AuditEvent.StoreAccepted, async transaction =>
    {
        await new StoreAcceptance(StoreAcceptance.NewId(), transaction.Time, "olga", "a disk failed", [], IsRestored: true, ClockAt: null).InsertAsync(transaction, _rows);
        return true;
    });

    public async Task<AccessReviewRow> NewestAsync() =>
        (await Store.ReadAsync(connection => Reviews.ListAsync(connection, null, CancellationToken.None), CancellationToken.None))[0];

    public async Task<IReadOnlyList<ReviewedPrincipal>> EverybodyAsync()
    {
        var review = await NewestAsync();
        return await Store.ReadAsync(connection => Campaign.EverybodyAsync(connection, review, CancellationToken.None), CancellationToken.None);
    }

    public async Task<ReviewedPrincipal> ItemAsync(string name) => (await EverybodyAsync()).Single(each => each.Name == name);

    public bool IsDisabled(string name) => Register.Current.Principals[name].Disabled;

    public Task LookAsync(int everyDays = 92) => new AccessReviewAlarms(
        new AccessReviewConfiguration { Every = TimeSpan.FromDays(everyDays) }, Campaign, Reviews, Store, Alarms.Outlet, Time).LookAsync(CancellationToken.None);

    /// <summary>Alarms whose condition stands.</summary>
    public IReadOnlyList<KeyService.Server.Alarms.Alarm> Standing => [.. Alarms.View.Open().Where(each => each.Stands)];

    /// <summary>The result of the newest review, verified.</summary>
    public async Task<AccessReviewResult> ResultAsync()
    {
        Assert.True(AccessReviewResult.TryRead((await NewestAsync()).Note!, out var note, out var result));
        Assert.True((await Signer.VerifierAsync(AccessReviewResult.OriginOf(new byte[16]), CancellationToken.None)).Signed(note!));
        return result!;
    }

    public Task<Principal> RegisterAsync(string name, PrincipalType type) => ChangeAsync(
        AuditEvent.PrincipalCreated, transaction => Administration.CreatePrincipalAsync(transaction, name, type, Credential.OfUid(_uids++)));

    public Task<Principal> DisableAsync(string name) =>
        ChangeAsync(AuditEvent.PrincipalDisabled, transaction => Administration.DisablePrincipalAsync(transaction, name));

    public async Task GrantAsync(string name, params Permission[] permissions) => await ChangeAsync(
        AuditEvent.GrantCreated,
        transaction => Administration.CreateGrantAsync(transaction, new GrantRequest(name, permissions, KeyPattern.All, KeyService.Crypto.EncryptionContext.Empty, null)));

    public async Task<Refusal> RefusedAsync<T>(Reason reason, Func<Task<T>> action)
    {
        var refusal = await Assert.ThrowsAsync<Refusal>(action);
        Assert.Equal(reason, refusal.Reason);
        return refusal;
    }

    private Task<T> ChangeAsync<T>(AuditEvent auditEvent, Func<IStoreTransaction, Task<T>> change) => Administration.InTurnAsync(
        async () =>
        {
            T? result = default;
            await Store.CommitAsync(new AuditRecordDraft(auditEvent), async transaction => result = await change(transaction), CancellationToken.None);
            return result!;
        },
        CancellationToken.None);
}
