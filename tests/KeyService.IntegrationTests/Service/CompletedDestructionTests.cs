using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto.Approvals;
using KeyService.IntegrationTests.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Approvals;
using KeyService.Server.Audit;
using KeyService.Server.Destruction;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Tests.Holdings;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Approval = KeyService.Crypto.Approvals.Approval;
using Credential = KeyService.Server.Access.Credential;
using DestructionState = KeyService.Server.Destruction.DestructionState;
using KeyState = KeyService.Server.Keys.KeyState;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.IntegrationTests.Service;

/// <summary>
/// From the waiting period over officers' signatures to the end of a version, by the RPC's own code on a real store; the clock is the test's, since the
/// wait is a week.
/// </summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class CompletedDestructionTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>, IAsyncLifetime
{
    private const ulong Id = 0xA1;
    private readonly Dictionary<string, ECDsa> _keys = new[] { "alice", "bob", "carol" }.ToDictionary(name => name, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256));
    private HoldingsStore _store = null!;
    private KeyService.Hsm.HsmToken _token = null!;
    private KeyRing _ring = null!;
    private AccessRegister _access = null!;
    private ApprovalAdministration _approvals = null!;
    private DestructionTable _table = null!;
    private DestructionScan _scan = null!;
    private DestructionWatch _watch = null!;
    private DestructionsService _service = null!;

    public async ValueTask InitializeAsync()
    {
        _store = await HoldingsStore.OpenAsync();
        _token = await softHsm.OpenWithHierarchyAsync();
        _ring = new KeyRing(_store.Store, _store.Rows, _token, _store.Time, capacity: 100);
        var material = new KeyMaterialTables(_store.Rows);
        await _store.CommitAsync(async transaction =>
        {
            foreach (var version in new[] { _store.Old, _store.Active })
            {
                await material.InsertBlobAsync(transaction, new KeyBlobRow(version, "token", new byte[41], 1));
                await material.InsertBlobAsync(transaction, new KeyBlobRow(version, "backup:01", new byte[41], 1));
                await material.InsertBulkKeyAsync(transaction, new BulkKeyRow(version, new byte[69], 1));
            }

            foreach (var (name, index) in new[] { "alice", "bob", "carol" }.Select((name, index) => (name, index)))
            {
                await new AccessRows(_store.Rows).InsertAsync(transaction, new Principal
                {
                    Name = name, Type = PrincipalType.Person, Credential = Credential.OfUid((uint)(200 + index)), Disabled = false, CreateTime = transaction.Time, Revision = 1,
                });
            }

            return true;
        });
        _access = await AccessRegister.LoadAsync(_store.Store, _store.Rows, _store.Time, default);
        _approvals = new ApprovalAdministration(_store.Rows, _access);
        _table = new DestructionTable(_store.Rows);
        _scan = new DestructionScan(
            _store.Store, _store.Rows, _store.Dependencies, [(_, _) => Task.FromResult<IReadOnlyList<string>>(["bundle 7 in vault-2"])], _store.Time);
        var outlet = new AlarmOutlet(NullLogger<AlarmOutlet>.Instance);
        _watch = new DestructionWatch(_store.Store, _store.Rows, new VersionUses(), _scan, outlet, _store.Time, NullLogger<DestructionWatch>.Instance);
        _service = new DestructionsService(
            _store.Store, _store.Rows, new VersionUses(), _scan, new KeyChanges(_ring, new KeyMaker(_token, _store.Rows), _store.Rows), outlet, new PageTokens(_store.Rows), _store.Time);
        await _store.RegisterAsync("labs");
        await _store.ScanAsync("labs", old: 0);
    }

    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        _ring.Dispose();
        await _token.DisposeAsync();
        await _store.DisposeAsync();
        foreach (var key in _keys.Values)
        {
            key.Dispose();
        }
    }

    [Fact]
    public async Task After_the_wait_and_two_signatures_the_versions_keys_are_gone_and_the_certificate_says_by_whom()
    {
        await ScheduleAsync();
        await RefusedAsync(Reason.KeyState, Request(), "waiting period ends");
        await EndTheWaitAsync();
        await RefusedAsync(Reason.QuorumMissing, Request(), "no roster of officers");
        await InstallRosterAsync();
        await RefusedAsync(Reason.InvalidArgument, Request(request => request.KeyVersions[0] = _store.Active.ToString()), "exactly the key and the versions");

        var request = Request();
        var pending = await RefusedAsync(Reason.PendingApproval, request, "0 of 2 officers");
        Assert.Contains("own request", (await Assert.ThrowsAsync<Refusal>(() => ApproveAsync(pending.ApprovalId!, "carol"))).Message, StringComparison.Ordinal);
        await ApproveAsync(pending.ApprovalId!, "alice");
        await RefusedAsync(Reason.PendingApproval, request, "1 of 2 officers");
        await ApproveAsync(pending.ApprovalId!, "bob");
        var (answer, record) = await CallAsync(request);

        Assert.Equal((Protocol.V1.DestructionState.Destroyed, "carol"), (answer.Destruction.State, answer.Destruction.EndedBy));
        Assert.True(answer.Certificate.Destroyed);
        Assert.False(answer.Certificate.Complete);
        Assert.Contains($"Approved by alice, bob (approval {pending.ApprovalId})", answer.Certificate.Statement, StringComparison.Ordinal);
        Assert.Equal(Protocol.V1.KeyState.Destroyed, Assert.Single(answer.Certificate.Versions).State);
        Assert.Equal(["bundle 7 in vault-2", "every dump, replica and file backup of this store"], answer.Certificate.Copies.Select(copy => copy.Place));
        Assert.Contains($"approval {pending.ApprovalId} by alice, bob", record.Detail, StringComparison.Ordinal);

        foreach (var (version, length) in new[] { (_store.Old, 0), (_store.Active, 41) })
        {
            foreach (var token in new[] { "token", "backup:01" })
            {
                var blob = await _store.Store.ReadAsync(connection => new KeyMaterialTables(_store.Rows).FindBlobAsync(connection, version, token, default), default);
                Assert.Equal(length, blob!.Blob.Length);
            }
        }

        Assert.Equal(KeyState.Destroyed, (await _ring.FindVersionAsync(_store.Old, default))!.Row.State);
        Assert.Equal(answer, (await CallAsync(request)).Answer);
        var cancel = await Assert.ThrowsAsync<Refusal>(() => _service.CancelDestruction(
            new CancelDestructionRequest { RequestId = Guid.NewGuid().ToString(), Id = DestructionRow.TextOf(Id) }, ContextOf(NewCall(nameof(DestructionsService.CancelDestruction), out _))));
        Assert.Contains("its versions are destroyed", cancel.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_comes_to_need_a_version_after_the_approval_keeps_it()
    {
        await ScheduleAsync();
        await EndTheWaitAsync();
        await InstallRosterAsync();
        var request = Request();
        await ApproveAsync((await RefusedAsync(Reason.PendingApproval, request, "0 of 2")).ApprovalId!, "alice", "bob");
        await _store.ScanAsync("labs", old: 2);
        await RefusedAsync(Reason.StillNeeded, request, "by labs");
        Assert.NotEmpty((await _store.Store.ReadAsync(connection => new KeyMaterialTables(_store.Rows).GetBulkKeyAsync(connection, _store.Old, default), default)).Wrapped);
        await _store.ScanAsync("labs", old: 0);
        Assert.True((await CallAsync(request)).Answer.Certificate.Destroyed);
    }

    private async Task ScheduleAsync()
    {
        var now = _store.Time.GetUtcNow();
        var row = new DestructionRow(
            Id, HoldingsStore.Key, [_store.Old], WholeKey: false, "of no use any more", DestructionState.Waiting, "carol", now, now.AddDays(7),
            EndedBy: null, EndTime: null, Uses: 0, LastUseTime: null, Certificate: [], Revision: 1);
        row = row with { Certificate = await _scan.CertifyAsync(row, [], default) };
        await _store.CommitAsync(async transaction =>
        {
            await _table.InsertAsync(transaction, row);
            return true;
        });
    }

    private async Task EndTheWaitAsync()
    {
        _store.Time.Advance(TimeSpan.FromDays(7));
        await _watch.RunOnceAsync(default);
    }

    private CompleteDestructionRequest Request(Action<CompleteDestructionRequest>? change = null)
    {
        var request = new CompleteDestructionRequest
        {
            RequestId = Guid.NewGuid().ToString(), Id = DestructionRow.TextOf(Id), Key = HoldingsStore.Key, KeyVersions = { _store.Old.ToString() },
        };
        change?.Invoke(request);
        return request;
    }

    private async Task InstallRosterAsync()
    {
        var installation = (await Installation.ReadAsync(_store.Store, default))!.Id;
        var roster = Roster.Create(installation, null, _store.Time.GetUtcNow(), default, _keys.Select(key => new Officer(key.Key, key.Value.ExportSubjectPublicKeyInfo())));
        var signed = _keys.Keys.Aggregate(SignedRoster.Of(roster), (each, name) => each.Sign(accepts: true, name, Signs(name)));
        await _store.CommitAsync(async transaction =>
        {
            await _approvals.InstallAsync(transaction, signed, installation, "carol");
            return true;
        });
    }

    private async Task ApproveAsync(string id, params string[] officers)
    {
        var row = await _store.Store.ReadAsync(connection => new ApprovalTable(_store.Rows).FindAsync(connection, null, Convert.ToUInt64(id, 16), default), default);
        foreach (var name in officers)
        {
            var word = Approval.Sign(row!.Request.Digest, name, ApprovalDecision.Approve, _store.Time.GetUtcNow(), Signs(name));
            await _store.CommitAsync(transaction => _approvals.DecideAsync(transaction, word, new AuditRecordDraft(AuditEvent.ApprovalDecided)));
        }
    }

    private Func<byte[], byte[]> Signs(string name) => text => _keys[name].SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    private async Task<(CompleteDestructionResponse Answer, AuditRecordDraft Record)> CallAsync(CompleteDestructionRequest request)
    {
        var call = NewCall(nameof(DestructionsService.CompleteDestruction), out var record);
        return (await _service.CompleteDestruction(request, ContextOf(call)), record);
    }

    private async Task<Refusal> RefusedAsync(Reason reason, CompleteDestructionRequest request, string why)
    {
        var refusal = await Assert.ThrowsAsync<Refusal>(() => CallAsync(request));
        Assert.Equal(reason, refusal.Reason);
        Assert.Contains(why, refusal.Message, StringComparison.Ordinal);
        return refusal;
    }

    // As the pipeline makes it, with what the method declares.
    private Call NewCall(string method, out AuditRecordDraft record)
    {
        var rpc = (RpcAttribute)typeof(DestructionsService).GetMethod(method)!.GetCustomAttributes(typeof(RpcAttribute), inherit: false).Single();
        record = new AuditRecordDraft(rpc.AuditEvent) { Principal = "carol" };
        return new Call(
            rpc, $"/keyservice.v1.Destructions/{method}", _access.Current.Principals["carol"], record, 0, (_, _, _, _) => AccessDecision.Allowed, null!, _store.Store,
            new RequestLedger(_store.Rows), new QuorumGate(_store.Rows, _access));
    }

    private static InProcessContext ContextOf(Call call)
    {
        var http = new DefaultHttpContext();
        http.Features.Set(call);
        return new InProcessContext(http);
    }

    /// <summary>A call's context without a connection.</summary>
    private sealed class InProcessContext : ServerCallContext
    {
        public InProcessContext(HttpContext http) => UserState["__HttpContext"] = http;

        protected override string MethodCore => "";

        protected override string HostCore => "";

        protected override string PeerCore => "";

        protected override DateTime DeadlineCore => DateTime.MaxValue;

        protected override Metadata RequestHeadersCore { get; } = [];

        protected override CancellationToken CancellationTokenCore => default;

        protected override Metadata ResponseTrailersCore { get; } = [];

        protected override Status StatusCore { get; set; }

        protected override WriteOptions? WriteOptionsCore { get; set; }

        protected override AuthContext AuthContextCore { get; } = new(null, []);

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }
}
