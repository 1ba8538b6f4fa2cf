using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Protocol.V1;
using AccessClient = KeyService.Protocol.V1.Access.AccessClient;

namespace KeyService.IntegrationTests.Service;

/// <summary>access.proto through the real service.</summary>
[Collection(RunningService.Name)]
public sealed class AccessTests : IDisposable
{
    private readonly ServiceFixture _service;
    private readonly GrpcChannel _channel;
    private readonly AccessClient _administrator;

    public AccessTests(ServiceFixture service)
    {
        _service = service;
        _channel = service.ConnectAs("administrator");
        _administrator = new AccessClient(_channel);
    }

    public void Dispose() => _channel.Dispose();

    [Fact]
    public async Task Everybody_registered_learns_who_they_are_and_what_they_may()
    {
        using var channel = _service.ConnectAs("backup");
        var me = await new AccessClient(channel).WhoAmIAsync(new WhoAmIRequest());
        Assert.Equal("backup", me.Principal.Name);
        Assert.Equal("keyservice:principal/backup", me.Principal.Credential.CertificateSanUri);
        Assert.All(me.Grants, grant => Assert.Equal("backup", grant.Principal));
        Assert.Contains(me.Grants, grant => grant.Permissions.Contains("encrypt"));
    }

    [Fact]
    public async Task Who_does_not_administer_access_can_neither_see_nor_change_it()
    {
        using var channel = _service.ConnectAs("database");
        var database = new AccessClient(channel);
        await Calls.RefusedAsync(Reason.AccessDenied, database.ListPrincipalsAsync(new ListPrincipalsRequest()));
        await Calls.RefusedAsync(Reason.AccessDenied, database.ListGrantsAsync(new ListGrantsRequest { Principal = "database" }));
        await Calls.RefusedAsync(Reason.AccessDenied, database.CreatePrincipalAsync(NewPrincipal("intruder")));
        await Calls.RefusedAsync(Reason.AccessDenied, database.CreateGrantAsync(NewGrant("database", "administer-access")));
        await Calls.RefusedAsync(Reason.AccessDenied, database.DisablePrincipalAsync(new DisablePrincipalRequest { RequestId = Calls.NewRequestId(), Name = "backup" }));
    }

    [Fact]
    public async Task A_disabled_principal_is_refused_at_once_on_a_connection_that_stands()
    {
        var leaver = NewName("leaver");
        await _service.IssueClientAsync(leaver);
        await _administrator.CreatePrincipalAsync(NewPrincipal(leaver));
        using var channel = _service.ConnectAs(leaver);
        var client = new AccessClient(channel);
        await client.WhoAmIAsync(new WhoAmIRequest());

        var answer = await _administrator.DisablePrincipalAsync(new DisablePrincipalRequest { RequestId = Calls.NewRequestId(), Name = leaver });

        Assert.True(answer.Principal.Disabled);
        Assert.Equal(2, answer.Principal.Revision);
        await Calls.RefusedAsync(Reason.UnknownPrincipal, client.WhoAmIAsync(new WhoAmIRequest()));
    }

    [Fact]
    public async Task A_grant_counts_from_its_creation_to_its_revocation()
    {
        var name = NewName("clerk");
        await _service.IssueClientAsync(name);
        await _administrator.CreatePrincipalAsync(NewPrincipal(name));
        using var channel = _service.ConnectAs(name);
        var system = new Protocol.V1.System.SystemClient(channel);
        await Calls.RefusedAsync(Reason.AccessDenied, system.GetStatusAsync(new GetStatusRequest()));

        var grant = (await _administrator.CreateGrantAsync(NewGrant(name, "read-system"))).Grant;
        await system.GetStatusAsync(new GetStatusRequest());

        var revoked = (await _administrator.RevokeGrantAsync(new RevokeGrantRequest { RequestId = Calls.NewRequestId(), Id = grant.Id })).Grant;
        Assert.True(revoked.Revoked);
        await Calls.RefusedAsync(Reason.AccessDenied, system.GetStatusAsync(new GetStatusRequest()));
    }

    [Fact]
    public async Task The_same_request_again_answers_the_same_and_another_one_under_its_id_is_refused()
    {
        var request = NewPrincipal(NewName("once"));
        var first = await _administrator.CreatePrincipalAsync(request);
        Assert.Equal(first, await _administrator.CreatePrincipalAsync(request));
        var other = NewPrincipal(NewName("other"));
        other.RequestId = request.RequestId;
        await Calls.RefusedAsync(Reason.RequestIdReused, _administrator.CreatePrincipalAsync(other));
        await Calls.RefusedAsync(Reason.AlreadyExists, _administrator.CreatePrincipalAsync(NewPrincipal(request.Name)));
    }

    [Fact]
    public async Task Lists_come_in_pages_whose_tokens_fit_only_their_filter()
    {
        var name = NewName("paged");
        await _administrator.CreatePrincipalAsync(NewPrincipal(name));
        var made = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            made.Add((await _administrator.CreateGrantAsync(NewGrant(name, "read-key"))).Grant.Id);
        }

        var seen = new List<string>();
        var token = "";
        do
        {
            var page = await _administrator.ListGrantsAsync(new ListGrantsRequest { Principal = name, PageSize = 2, PageToken = token });
            Assert.InRange(page.Grants.Count, 1, 2);
            seen.AddRange(page.Grants.Select(grant => grant.Id));
            token = page.NextPageToken;
            if (token.Length > 0)
            {
                await Calls.RefusedAsync(Reason.InvalidArgument, _administrator.ListGrantsAsync(new ListGrantsRequest { PageSize = 2, PageToken = token }));
                await Calls.RefusedAsync(Reason.InvalidArgument, _administrator.ListPrincipalsAsync(new ListPrincipalsRequest { PageToken = token }));
            }
        }
        while (token.Length > 0);

        Assert.Equal(made.Order(StringComparer.Ordinal), seen);
    }

    [Fact]
    public async Task Every_principal_is_listed_once_by_name()
    {
        var names = new List<string>();
        var token = "";
        do
        {
            var page = await _administrator.ListPrincipalsAsync(new ListPrincipalsRequest { PageSize = 1, PageToken = token });
            names.Add(Assert.Single(page.Principals).Name);
            token = page.NextPageToken;
        }
        while (token.Length > 0);

        Assert.Equal(names.Order(StringComparer.Ordinal).Distinct(), names);
        Assert.Superset(new HashSet<string> { "administrator", "backup", "database" }, names.ToHashSet());
    }

    [Fact]
    public async Task Separation_of_duties_is_kept_and_said()
    {
        var sentence = await Calls.RefusedAsync(Reason.InvalidArgument, _administrator.CreateGrantAsync(NewGrant("administrator", "decrypt")));
        Assert.Contains("may not meet in one hand", sentence, StringComparison.Ordinal);
        Assert.Contains("decrypt (the use of keys)", sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_breaks_a_rule_is_refused_with_its_field()
    {
        await InvalidAsync("name", _administrator.CreatePrincipalAsync(NewPrincipal("Not A Name")));
        await InvalidAsync("credential", _administrator.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = NewName("none"), Type = PrincipalType.Service,
        }));
        await InvalidAsync("type", _administrator.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = NewName("untyped"), Credential = new Credential { UnixUid = 4_000_000_001 },
        }));
        await InvalidAsync("credential.certificate_public_key_sha256", _administrator.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = NewName("short"), Type = PrincipalType.Person, Credential = new Credential { CertificatePublicKeySha256 = "abc" },
        }));
        await InvalidAsync("permissions", _administrator.CreateGrantAsync(NewGrant("backup")));
        await InvalidAsync("permissions[1]", _administrator.CreateGrantAsync(NewGrant("backup", "encrypt", "everything")));
        await InvalidAsync("permissions[1]", _administrator.CreateGrantAsync(NewGrant("backup", "encrypt", "encrypt")));
        await InvalidAsync("page_size", _administrator.ListGrantsAsync(new ListGrantsRequest { PageSize = 1001 }));
        await InvalidAsync("page_size", _administrator.ListPrincipalsAsync(new ListPrincipalsRequest { PageSize = -1 }));
        await InvalidAsync("id", _administrator.RevokeGrantAsync(new RevokeGrantRequest { RequestId = Calls.NewRequestId(), Id = "17" }));

        var pattern = NewGrant("backup", "encrypt");
        pattern.KeyPattern = "ehr*";
        await InvalidAsync("key_pattern", _administrator.CreateGrantAsync(pattern));
        var expired = NewGrant("backup", "encrypt");
        expired.ExpireTime = new Timestamp { Seconds = 1 };
        await InvalidAsync("expire_time", _administrator.CreateGrantAsync(expired));
        var twice = NewGrant("backup", "encrypt");
        twice.ContextConstraint = Calls.Context(("tenant", "a"), ("tenant", "b"));
        Assert.StartsWith("context_constraint:", await Calls.RefusedAsync(Reason.InvalidContext, _administrator.CreateGrantAsync(twice)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_there_is_not_found()
    {
        await Calls.RefusedAsync(Reason.NotFound, _administrator.CreateGrantAsync(NewGrant("nobody", "encrypt")));
        await Calls.RefusedAsync(Reason.NotFound, _administrator.RevokeGrantAsync(new RevokeGrantRequest { RequestId = Calls.NewRequestId(), Id = "00000000000000aa" }));
        await Calls.RefusedAsync(Reason.NotFound, _administrator.DisablePrincipalAsync(new DisablePrincipalRequest { RequestId = Calls.NewRequestId(), Name = "nobody" }));
    }

    private static async Task InvalidAsync<T>(string field, AsyncUnaryCall<T> call) =>
        Assert.StartsWith(field + ":", await Calls.RefusedAsync(Reason.InvalidArgument, call), StringComparison.Ordinal);

    private static string NewName(string prefix) => $"{prefix}-{Guid.NewGuid():N}";

    private static CreatePrincipalRequest NewPrincipal(string name) => new()
    {
        RequestId = Calls.NewRequestId(),
        Name = name,
        Type = PrincipalType.Service,
        Credential = new Credential { CertificateSanUri = $"keyservice:principal/{Uri.EscapeDataString(name)}" },
    };

    private static CreateGrantRequest NewGrant(string principal, params string[] permissions) =>
        new() { RequestId = Calls.NewRequestId(), Principal = principal, Permissions = { permissions }, KeyPattern = "*" };
}
