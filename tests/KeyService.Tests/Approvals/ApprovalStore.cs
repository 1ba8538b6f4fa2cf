using System.Security.Cryptography;
using KeyService.Crypto.Approvals;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Approvals;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Tests.Storage;
using Approval = KeyService.Crypto.Approvals.Approval;
using Credential = KeyService.Server.Access.Credential;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Tests.Approvals;

/// <summary>
/// A store with the people alice, bob, carol and dave and the service "ehr"; officers' keys in software, and calls as the pipeline makes them.
/// </summary>
internal sealed class ApprovalStore : IAsyncDisposable
{
    public const string Method = "/keyservice.v1.Store/AcceptStore";

    private readonly StoreFile _file = new();
    private int _runs;
    private readonly Dictionary<string, ECDsa> _keys = new[] { "alice", "bob", "carol", "dave" }.ToDictionary(name => name, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256));

    private ApprovalStore(Func<TimeProvider, IStore>? open)
    {
        Store = open?.Invoke(Time) ?? _file.Open(Time);
        Gate = null!;
        Administration = null!;
        Access = null!;
    }

    public TestTime Time { get; } = new();

    public RowAuthenticator Rows { get; } = SoftwareRows.Of();

    public IStore Store { get; }

    public AccessRegister Access { get; private set; }

    public QuorumGate Gate { get; private set; }

    public ApprovalAdministration Administration { get; private set; }

    public byte[] Installation { get; private set; } = [];

    public StoreFile File => _file;

    /// <summary>Records of calls and of what officers brought, the last one last.</summary>
    public List<AuditRecordDraft> Records { get; } = [];

    /// <summary>How often the change of a call ran.</summary>
    public int Runs => _runs;

    /// <param name="open">Another store than a file of its own.</param>
    public static async Task<ApprovalStore> OpenAsync(Func<TimeProvider, IStore>? open = null)
    {
        var opened = new ApprovalStore(open);
        await SoftwareRows.InstallAsync(opened.Store, opened.Rows);
        opened.Installation = (await KeyService.Server.Storage.Installation.ReadAsync(opened.Store, CancellationToken.None))!.Id;
        await opened.CommitAsync(async transaction =>
        {
            var table = new AccessRows(opened.Rows);
            foreach (var (name, index) in new[] { "alice", "bob", "carol", "dave", "ehr" }.Select((name, index) => (name, index)))
            {
                await table.InsertAsync(transaction, new Principal
                {
                    Name = name, Type = name == "ehr" ? PrincipalType.Service : PrincipalType.Person, Credential = Credential.OfUid((uint)(100 + index)),
                    Disabled = false, CreateTime = transaction.Time, Revision = 1,
                });
            }
        });
        opened.Access = await AccessRegister.LoadAsync(opened.Store, opened.Rows, opened.Time, CancellationToken.None);
        opened.Gate = new QuorumGate(opened.Rows, opened.Access);
        opened.Administration = new ApprovalAdministration(opened.Rows, opened.Access);
        return opened;
    }

    public Officer OfficerOf(string name) => new(name, _keys[name].ExportSubjectPublicKeyInfo());

    public Func<byte[], byte[]> KeyOf(string name) => text => _keys[name].SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    public void RenewKey(string name)
    {
        _keys[name].Dispose();
        _keys[name] = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    }

    public SignedRoster First(params string[] officers)
    {
        var roster = KeyService.Crypto.Approvals.Roster.Create(Installation, null, Time.GetUtcNow(), default, officers.Select(OfficerOf));
        return officers.Aggregate(SignedRoster.Of(roster), (signed, name) => signed.Sign(accepts: true, name, KeyOf(name)));
    }

    public async Task<Roster> InstallAsync(SignedRoster signed)
    {
        await CommitAsync(transaction => Administration.InstallAsync(transaction, signed, Installation, "ehr"));
        return signed.Roster;
    }

    public Task<Roster> InstallFirstAsync() => InstallAsync(First("alice", "bob", "carol"));

    /// <summary>Makes a call as the pipeline does: through the whole of <see cref="Call.MutateAsync"/>.</summary>
    /// <param name="on">Another server's store of the same database.</param>
    public async Task<AcceptStoreResponse> CallAsync(
        AcceptStoreRequest request, string by = "ehr", QuorumRule rule = QuorumRule.OnceInstalled, bool isException = false, Exception? fails = null, IStore? on = null)
    {
        var rpc = new RpcAttribute(Permission.AcceptStore, AuditEvent.StoreAccepted) { Quorum = rule };
        var record = new AuditRecordDraft(AuditEvent.StoreAccepted) { Principal = by };
        Records.Add(record);
        var call = new Call(rpc, Method, Access.Current.Principals[by], record, 0, (_, _, _, _) => AccessDecision.Allowed, null!, on ?? Store, new RequestLedger(Rows), Gate) { IsException = isException };
        call.Authorize(null, null);
        return await call.MutateAsync(request.RequestId, request, _ =>
        {
            Interlocked.Increment(ref _runs);
            return fails is null ? Task.FromResult(new AcceptStoreResponse { RestoredAccepted = true }) : throw fails;
        });
    }

    /// <summary>Makes a call that must end as pending, and gives its row.</summary>
    public async Task<ApprovalRow> AskAsync(AcceptStoreRequest request, string by = "ehr")
    {
        var pending = await Assert.ThrowsAsync<Refusal>(() => CallAsync(request, by));
        Assert.Equal(Reason.PendingApproval, pending.Reason);
        return await ReadAsync(pending.ApprovalId!);
    }

    public async Task<ApprovalRow> ReadAsync(string id) => (await Store.ReadAsync(
        connection => new ApprovalTable(Rows).FindAsync(connection, null, Convert.ToUInt64(id, 16), CancellationToken.None), CancellationToken.None))!;

    public Approval Word(ApprovalRow row, string officer, ApprovalDecision decision = ApprovalDecision.Approve, DateTimeOffset? time = null, string? key = null) =>
        Approval.Sign(row.Request.Digest, officer, decision, time ?? Time.GetUtcNow(), KeyOf(key ?? officer));

    public async Task<ApprovalRow> DecideAsync(Approval word)
    {
        var record = new AuditRecordDraft(AuditEvent.ApprovalDecided);
        Records.Add(record);
        ApprovalRow? after = null;
        await Store.CommitAsync(record, async transaction => (after, _) = await Administration.DecideAsync(transaction, word, record), CancellationToken.None);
        return after!;
    }

    public async Task<string> RefusedAsync(Approval word)
    {
        var refusal = await Assert.ThrowsAsync<Refusal>(() => DecideAsync(word));
        Assert.Equal(Reason.ApprovalRefused, refusal.Reason);
        return refusal.Message;
    }

    public void Disable(string name) => Access.Apply(Access.Current.Principals[name] with { Disabled = true, Revision = 2 });

    public Task CommitAsync(Func<IStoreTransaction, Task> change) => Store.CommitAsync(new AuditRecordDraft(AuditEvent.RosterInstalled), change, CancellationToken.None);

    public static AcceptStoreRequest NewRequest(string reason = "restored after the flood") => new() { RequestId = Guid.NewGuid().ToString(), Reason = reason };

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        _file.Dispose();
        foreach (var key in _keys.Values)
        {
            key.Dispose();
        }
    }
}
