using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Crypto.Approvals;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using ApprovalWord = KeyService.Crypto.Approvals.Approval;

namespace KeyService.IntegrationTests.RedTeam;

/// <summary>
/// Every RPC of the real server that takes a quorum, called by an officer who then tries to be that quorum alone: with their own word, with their own
/// signature in colleagues' names, and with one colleague's word beside their own.
/// </summary>
public sealed class SelfApprovalTests(ServiceFixture service) : IClassFixture<ServiceFixture>, IDisposable
{
    private static readonly RotationPolicy Exception = new() { Period = Duration.FromTimeSpan(TimeSpan.FromDays(120)), Limit = Duration.FromTimeSpan(TimeSpan.FromDays(180)) };

    private readonly Dictionary<string, ECDsa> _officers =
        new[] { "alice", "bob", "mallory" }.ToDictionary(name => name, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256));

    public void Dispose()
    {
        foreach (var key in _officers.Values)
        {
            key.Dispose();
        }
    }

    [Fact]
    public async Task An_officer_is_no_quorum_for_what_they_ask_themselves()
    {
        var key = (await Calls.NewKeyAsync(service, "self-approval")).Name;
        await InstallRosterAsync();
        await service.IssueClientAsync("mallory");
        using (var administrator = service.ConnectAs("administrator"))
        {
            await new Access.AccessClient(administrator).CreateGrantAsync(new CreateGrantRequest
            {
                RequestId = Guid.NewGuid().ToString(), Principal = "mallory", KeyPattern = "*",
                Permissions = { "create-key", "set-key-policy", "accept-store", "destroy-key", "decide-approvals", "read-approvals" },
            });
        }

        Dictionary<string, Func<IMessage>> requests = new()
        {
            ["keyservice.v1.Keys/CreateKey"] = () => new CreateKeyRequest
            {
                RequestId = Guid.NewGuid().ToString(), Name = "self-approval/new", Purpose = KeyPurpose.EncryptDecrypt, Rotation = Exception,
            },
            ["keyservice.v1.Keys/SetKeyPolicy"] = () => new SetKeyPolicyRequest { RequestId = Guid.NewGuid().ToString(), Name = key, Rotation = Exception },
            ["keyservice.v1.Store/AcceptStore"] = () => new AcceptStoreRequest { RequestId = Guid.NewGuid().ToString(), Reason = "because I say so" },
        };
        // Its quorum comes after a wait of a week: CompletedDestructionTests, with the clock in hand.
        const string AfterAWeek = "keyservice.v1.Destructions/CompleteDestruction";
        var asking = ServiceMethod.All.Where(method => method.Rpc.Quorum is not (QuorumRule.None or QuorumRule.SignedRoster)).ToList();
        Assert.Equal(requests.Keys.Append(AfterAWeek).Order(StringComparer.Ordinal), asking.Select(method => method.Name));

        using var channel = service.ConnectAs("mallory");
        foreach (var method in asking.Where(method => method.Name != AfterAWeek))
        {
            await AloneNothingHappensAsync(channel, method, requests[method.Name]().ToByteArray());
        }

        using var reader = service.ConnectAs("administrator");
        var standing = Assert.Single((await new Keys.KeysClient(reader).ListKeysAsync(new ListKeysRequest { Prefix = "self-approval" })).Keys);
        Assert.Equal(key, standing.Name);
        Assert.NotEqual(Exception.Period, standing.Rotation.Period);
    }

    private async Task AloneNothingHappensAsync(GrpcChannel channel, ServiceMethod method, byte[] request)
    {
        var approvals = new Approvals.ApprovalsClient(channel);
        await PendingAsync("0 of 2");
        var id = (await approvals.ListApprovalsAsync(new ListApprovalsRequest { OpenOnly = true })).Approvals.Single(each => each.Method == method.Name).Id;
        var row = await approvals.GetApprovalAsync(new GetApprovalRequest { Id = id });
        Assert.True(ApprovalRequest.TryParse(row.Request.Span, out var asked));

        await RefusedAsync("mallory", "own request");
        await RefusedAsync("alice", "not signed by the key");
        await RefusedAsync("bob", "not signed by the key");
        await PendingAsync("0 of 2");

        // A colleague's real word is one, and with mallory's beside it no more.
        await approvals.DecideApprovalAsync(Word("alice", "alice"));
        await RefusedAsync("mallory", "own request");
        await RefusedAsync("alice", "not signed by the key");
        await PendingAsync("1 of 2");
        Assert.Equal(Protocol.V1.ApprovalState.Pending, (await approvals.GetApprovalAsync(new GetApprovalRequest { Id = id })).Approval.State);

        async Task PendingAsync(string count)
        {
            var status = await method.CallAsync(channel, [request]);
            Assert.Equal((method.Name, StatusCode.FailedPrecondition), (method.Name, status.StatusCode));
            Assert.Equal("PENDING_APPROVAL", Calls.ReasonOf(method.Ended!));
            Assert.Contains($"{count} officers approve it", status.Detail, StringComparison.Ordinal);
        }

        async Task RefusedAsync(string officer, string why)
        {
            var refusal = await Assert.ThrowsAsync<RpcException>(async () => await approvals.DecideApprovalAsync(Word(officer, "mallory")));
            Assert.Equal("APPROVAL_REFUSED", Calls.ReasonOf(refusal));
            Assert.Contains(why, refusal.Status.Detail, StringComparison.Ordinal);
        }

        DecideApprovalRequest Word(string officer, string signer) => new()
        {
            RequestId = Guid.NewGuid().ToString(),
            Decision = ByteString.CopyFrom(ApprovalWord.Sign(asked!.Digest, officer, ApprovalDecision.Approve, DateTimeOffset.UtcNow, Signs(signer)).ToArray()),
        };
    }

    private async Task InstallRosterAsync()
    {
        using var channel = service.ConnectAs("administrator");
        foreach (var name in _officers.Keys)
        {
            await new Access.AccessClient(channel).CreatePrincipalAsync(new CreatePrincipalRequest
            {
                RequestId = Guid.NewGuid().ToString(), Name = name, Type = PrincipalType.Person,
                Credential = new Credential { CertificateSanUri = $"keyservice:principal/{name}" },
            });
        }

        var approvals = new Approvals.ApprovalsClient(channel);
        var installation = Convert.FromHexString((await approvals.ListRostersAsync(new ListRostersRequest())).Installation);
        Assert.True(Quorum.TryOf(2, out var two));
        var roster = Roster.Create(
            installation, null, DateTimeOffset.UtcNow.AddMinutes(-1), two, _officers.Select(each => new Officer(each.Key, each.Value.ExportSubjectPublicKeyInfo())));
        var signed = _officers.Keys.Aggregate(SignedRoster.Of(roster), (each, name) => each.Sign(accepts: true, name, Signs(name)));
        await approvals.InstallRosterAsync(new InstallRosterRequest { RequestId = Guid.NewGuid().ToString(), Roster = ByteString.CopyFrom(signed.ToArray()) });
    }

    private Func<byte[], byte[]> Signs(string name) =>
        text => _officers[name].SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
}
