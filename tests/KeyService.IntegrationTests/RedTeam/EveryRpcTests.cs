using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using Microsoft.Data.Sqlite;
using AuditOutcome = KeyService.Crypto.AuditOutcome;
using CanonicalRecord = KeyService.Crypto.AuditRecord;
using Role = KeyService.Server.Access.Role;

namespace KeyService.IntegrationTests.RedTeam;

/// <summary>
/// Every RPC of the real server, called by everybody who may not: all of them are refused, and what was refused stands in the log. An RPC
/// that is added is attacked from then on.
/// </summary>
public sealed class EveryRpcTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    /// <summary>
    /// What anybody who is registered may call, whatever their grants: who they are, and what is still granted of leases (which says of every one that is
    /// not theirs that it has ended).
    /// </summary>
    private static readonly string[] ForEverybody = ["keyservice.v1.Access/WhoAmI", "keyservice.v1.DataKeys/WatchLeases", "keyservice.v1.Approvals/ListRosters"];

    [Fact]
    public async Task Without_a_certificate()
    {
        using var channel = GrpcClients.Connect(service.Endpoint, service.CaPath, null, null);
        await NobodyIsAnsweredAsync(channel);
    }

    [Fact]
    public async Task With_a_certificate_of_another_authority_in_the_administrators_name()
    {
        var (certificate, key) = Issue("foreign", DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30), authority: null);
        var from = await CountAsync();
        using (var channel = GrpcClients.Connect(service.Endpoint, service.CaPath, certificate, key))
        {
            await NobodyIsAnsweredAsync(channel);
        }

        await HandshakeIsRecordedAsync(from, "CN=foreign");
    }

    [Fact]
    public async Task With_the_administrators_expired_certificate()
    {
        var (certificate, key) = Issue("expired", DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddDays(-1), Path.Combine(service.Directory, "pki"));
        var from = await CountAsync();
        using (var channel = GrpcClients.Connect(service.Endpoint, service.CaPath, certificate, key))
        {
            await NobodyIsAnsweredAsync(channel);
        }

        await HandshakeIsRecordedAsync(from, "CN=expired: NotTimeValid");
    }

    [Fact]
    public async Task As_nobody_who_is_registered()
    {
        await service.IssueClientAsync("stranger");
        await AllAreRefusedAsync("stranger", Reason.UnknownPrincipal, record =>
            record.Principal is null && record.EventId == (ushort)AuditEvent.AuthenticationRefused && record.Source!.EndsWith("/stranger", StringComparison.Ordinal));
    }

    [Fact]
    public async Task As_somebody_who_was_disabled()
    {
        await RegisterAsync("leaver", "administer-access");
        using (var administrator = service.ConnectAs("administrator"))
        {
            await new Access.AccessClient(administrator).DisablePrincipalAsync(new DisablePrincipalRequest { RequestId = Guid.NewGuid().ToString(), Name = "leaver" });
        }

        await AllAreRefusedAsync("leaver", Reason.UnknownPrincipal, record =>
            record.EventId == (ushort)AuditEvent.AuthenticationRefused && record.Source!.EndsWith("/leaver", StringComparison.Ordinal));
    }

    [Fact]
    public async Task As_somebody_without_a_grant()
    {
        await RegisterAsync("onlooker");
        await AllAreRefusedAsync("onlooker", Reason.AccessDenied, record => record.Principal == "onlooker");
    }

    public static TheoryData<string> Roles => [.. Role.All.Select(role => role.Name)];

    /// <summary>With everything that a role gives: what another role takes is refused.</summary>
    [Theory]
    [MemberData(nameof(Roles))]
    public async Task As_somebody_of_another_role(string role)
    {
        var name = $"of-{role}";
        await RegisterAsync(name, role == Role.AiSystem.Name ? PrincipalType.AiSystem : PrincipalType.Service);
        using (var administrator = service.ConnectAs("administrator"))
        {
            var grant = new CreateGrantRequest { RequestId = Guid.NewGuid().ToString(), Principal = name, KeyPattern = "*", Roles = { role } };
            if (role == Role.AiSystem.Name)
            {
                // What such a grant must have.
                grant.ContextRules.Add(new ContextRule { Key = "tenant", OneOf = new ValueSet { Values = { "st-mary" } } });
                grant.Quotas.Add(new Quota { Measure = QuotaMeasure.Items, Window = QuotaWindow.Day, Limit = 1000 });
            }

            await new Access.AccessClient(administrator).CreateGrantAsync(grant);
        }

        await AllAreRefusedAsync(name, Reason.AccessDenied, record => record.Principal == name, method => !Role.Find(role)!.Permissions.Contains(method.Rpc.Permission));
    }

    [Fact]
    public async Task As_somebody_who_may_use_another_tenants_keys_and_contexts_only()
    {
        await RegisterAsync("neighbour");
        using (var administrator = service.ConnectAs("administrator"))
        {
            var grant = new CreateGrantRequest
            {
                RequestId = Guid.NewGuid().ToString(), Principal = "neighbour", KeyPattern = "*", ContextConstraint = Calls.Context(("tenant", "other")),
            };
            grant.Permissions.AddRange(["generate-data-key", "unwrap-data-key", "rewrap-data-key", "encrypt", "decrypt", "reencrypt"]);
            await new Access.AccessClient(administrator).CreateGrantAsync(grant);
        }

        // They hold data keys of the same key, for their own tenant: of these, and in their own name, they report.
        await AllAreRefusedAsync("neighbour", Reason.AccessDenied, record => record.Principal == "neighbour", method => method.Name != "keyservice.v1.DataKeys/ReportUse");
    }

    /// <summary>With all that an AI system can be granted: what it is refused is everything but its fields, one by one or in batches.</summary>
    [Fact]
    public async Task As_an_AI_system_with_everything_that_one_is_granted()
    {
        string[] theirs =
        [
            "keyservice.v1.Cipher/Encrypt", "keyservice.v1.Cipher/Decrypt", "keyservice.v1.Cipher/EncryptBatch", "keyservice.v1.Cipher/DecryptBatch",
            .. ForEverybody.Except(["keyservice.v1.DataKeys/WatchLeases"]),
        ];
        await service.IssueClientAsync("triage-model");
        using (var administrator = service.ConnectAs("administrator"))
        {
            var access = new Access.AccessClient(administrator);
            await access.CreatePrincipalAsync(new CreatePrincipalRequest
            {
                RequestId = Guid.NewGuid().ToString(), Name = "triage-model", Type = PrincipalType.AiSystem,
                Credential = new Protocol.V1.Credential { CertificateSanUri = "keyservice:principal/triage-model" },
            });
            await access.CreateGrantAsync(new CreateGrantRequest
            {
                RequestId = Guid.NewGuid().ToString(), Principal = "triage-model", KeyPattern = "*", Roles = { "ai-system" },
                ContextRules = { new ContextRule { Key = "tenant", OneOf = new ValueSet { Values = { "st-mary", "st-john" } } } },
                Quotas = { new Quota { Measure = QuotaMeasure.Items, Window = QuotaWindow.Day, Limit = 1000 } },
            });
        }

        var request = await PlausibleRequest.PrepareAsync(service);
        var from = await CountAsync();
        var wrong = new List<string>();
        using (var channel = service.ConnectAs("triage-model"))
        {
            foreach (var method in ServiceMethod.All)
            {
                var status = await method.CallAsync(channel, request.Of(method.Descriptor.InputType));
                if ((status.StatusCode == StatusCode.OK) != theirs.Contains(method.Name))
                {
                    wrong.Add($"{method}: {status.StatusCode} {status.Detail}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        var records = (await ReadAsync(from)).Where(record => record.Principal == "triage-model").ToList();
        Assert.Equal(ServiceMethod.All.Count, records.Count(record => record.EventId is not ((ushort)AuditEvent.AiItemEncrypted or (ushort)AuditEvent.AiItemDecrypted)));
        // Each item of a batch stands by itself, beside the record of its call.
        foreach (var (batch, item) in new[] { (AuditEvent.FieldsEncrypted, AuditEvent.AiItemEncrypted), (AuditEvent.FieldsDecrypted, AuditEvent.AiItemDecrypted) })
        {
            var call = records.Single(record => record.EventId == (ushort)batch);
            var items = records.Where(record => record.EventId == (ushort)item).ToList();
            Assert.Equal(call.ItemCount, (ulong?)items.Count);
            Assert.All(items, record => Assert.Equal(call.TraceId, record.TraceId));
            Assert.All(items, record => Assert.False(record.ContextDigest.IsEmpty));
        }
    }

    /// <summary>With a certificate that the handshake refuses no call reaches the server: none ends other than by its connection.</summary>
    private static async Task NobodyIsAnsweredAsync(GrpcChannel channel)
    {
        foreach (var method in ServiceMethod.All)
        {
            var status = await method.CallAsync(channel, [[]]);
            Assert.True(
                status.StatusCode is StatusCode.Unavailable or StatusCode.Internal && method.Ended!.Trailers.Count == 0,
                $"{method}: {status}");
        }
    }

    private async Task AllAreRefusedAsync(string name, Reason reason, Func<CanonicalRecord, bool> isTheirs, Func<ServiceMethod, bool>? isAttacked = null)
    {
        var request = await PlausibleRequest.PrepareAsync(service);
        var from = await CountAsync();
        var attacked = ServiceMethod.All.Where(method => reason == Reason.UnknownPrincipal || (!ForEverybody.Contains(method.Name) && isAttacked?.Invoke(method) != false)).ToList();
        var answers = new List<string>();
        using (var channel = service.ConnectAs(name))
        {
            foreach (var method in attacked)
            {
                var status = await method.CallAsync(channel, request.Of(method.Descriptor.InputType));
                var refusal = status.StatusCode == StatusCode.OK ? "answered" : Calls.ReasonOf(method.Ended!);
                if (refusal != RefusalStatus.NameOf(reason))
                {
                    answers.Add($"{method}: {refusal}: {status.Detail}");
                }
            }
        }

        Assert.True(answers.Count == 0, string.Join('\n', answers));

        // One record a call, with the event of the call where it is known who called.
        var records = (await ReadAsync(from)).Where(isTheirs).ToList();
        Assert.All(records, record => Assert.Equal(AuditOutcome.Refused, record.Outcome));
        Assert.All(records, record => Assert.Equal(RefusalStatus.NameOf(reason), record.Reason));
        Assert.Equal(
            attacked.Select(method => (ushort)(reason == Reason.UnknownPrincipal ? AuditEvent.AuthenticationRefused : method.Rpc.AuditEvent)).Order(),
            records.Select(record => record.EventId).Order());
    }

    private async Task HandshakeIsRecordedAsync(long from, string detail) => await Until.TrueAsync(
        async () => (await ReadAsync(from)).Any(record =>
            record.EventId == (ushort)AuditEvent.AuthenticationRefused && record.Detail!.Contains(detail, StringComparison.Ordinal)),
        "a record of the handshake");

    private Task RegisterAsync(string name, params string[] permissions) => RegisterAsync(name, PrincipalType.Service, permissions);

    private async Task RegisterAsync(string name, PrincipalType type, params string[] permissions)
    {
        await service.IssueClientAsync(name);
        using var channel = service.ConnectAs("administrator");
        var access = new Access.AccessClient(channel);
        await access.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Guid.NewGuid().ToString(), Name = name, Type = type,
            Credential = new Protocol.V1.Credential { CertificateSanUri = $"keyservice:principal/{name}" },
        });
        foreach (var permission in permissions)
        {
            await access.CreateGrantAsync(
                new CreateGrantRequest { RequestId = Guid.NewGuid().ToString(), Principal = name, KeyPattern = "*", Permissions = { permission } });
        }
    }

    private async Task<long> CountAsync() => (await ReadAsync(0)).Count;

    private async Task<List<CanonicalRecord>> ReadAsync(long from)
    {
        await using var connection = new SqliteConnection($"Data Source={service.StorePath};Mode=ReadOnly;Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT record FROM audit_records WHERE sequence >= $from ORDER BY sequence";
        command.Parameters.AddWithValue("$from", from);
        await using var reader = await command.ExecuteReaderAsync();
        var records = new List<CanonicalRecord>();
        while (await reader.ReadAsync())
        {
            Assert.True(CanonicalRecord.TryParse(reader.GetFieldValue<byte[]>(0), out var record));
            records.Add(record!);
        }

        return records;
    }

    // In the administrator's name: only what signed it and when is wrong.
    private (string Certificate, string Key) Issue(string name, DateTimeOffset notBefore, DateTimeOffset notAfter, string? authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("keyservice:principal/administrator"));
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        using var own = SelfSigned("CN=another authority");
        using var ca = authority is null ? own : X509Certificate2.CreateFromPemFile(Path.Combine(authority, "ca.crt"), Path.Combine(authority, "ca.key"));
        using var issued = request.Create(ca.SubjectName, X509SignatureGenerator.CreateForECDsa(ca.GetECDsaPrivateKey()!), notBefore, notAfter, RandomNumberGenerator.GetBytes(16));
        var (certificatePath, keyPath) = (Path.Combine(service.Directory, $"{name}.crt"), Path.Combine(service.Directory, $"{name}.key"));
        File.WriteAllText(certificatePath, issued.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return (certificatePath, keyPath);
    }

    private static X509Certificate2 SelfSigned(string subject)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-60), DateTimeOffset.UtcNow.AddDays(60));
    }
}
