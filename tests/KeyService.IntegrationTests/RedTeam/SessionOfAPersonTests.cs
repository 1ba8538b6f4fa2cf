using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Crypto;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using SessionsClient = KeyService.Protocol.V1.Sessions.SessionsClient;

namespace KeyService.IntegrationTests.RedTeam;

/// <summary>Every RPC of the real server, called as an administrator who is a person, without the session that this takes, or with one that is not theirs.</summary>
public sealed class SessionOfAPersonTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task Without_one_with_an_ended_one_and_with_one_of_another_certificate()
    {
        await service.IssueClientAsync("person");
        using (var administrator = service.ConnectAs("administrator"))
        {
            var access = new Access.AccessClient(administrator);
            await access.CreatePrincipalAsync(new CreatePrincipalRequest
            {
                RequestId = Guid.NewGuid().ToString(), Name = "person", Type = PrincipalType.Person,
                Credential = new Credential { CertificateSanUri = "keyservice:principal/person" },
            });
            await access.CreateGrantAsync(
                new CreateGrantRequest { RequestId = Guid.NewGuid().ToString(), Principal = "person", KeyPattern = "*", Permissions = { "administer-access" } });
        }

        var request = await PlausibleRequest.PrepareAsync(service);
        using var channel = service.ConnectAs("person");
        var sessions = new SessionsClient(channel);
        var seed = (await sessions.OfferSecondFactorAsync(new())).Seed.ToByteArray();
        var ended = (await sessions.ActivateSecondFactorAsync(new() { Code = Code(seed, -1) })).Token;
        var stolen = (await sessions.OpenSessionAsync(new() { Code = Code(seed, 0) })).Token;
        await sessions.CloseSessionAsync(new(), With(ended));
        await new Access.AccessClient(channel).WhoAmIAsync(new(), With(stolen));

        using var thief = OtherCertificate();
        await AllAskForASessionAsync(channel, request, null);
        await AllAskForASessionAsync(channel, request, With(ended));
        await AllAskForASessionAsync(thief, request, With(stolen));
        await AllAskForASessionAsync(channel, request, With(ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32))));
    }

    private static async Task AllAskForASessionAsync(GrpcChannel channel, PlausibleRequest request, Metadata? session)
    {
        var wrong = new List<string>();
        foreach (var method in ServiceMethod.All.Where(method => !method.Rpc.BeforeSession))
        {
            var status = await method.CallAsync(channel, request.Of(method.Descriptor.InputType), session);
            var refusal = status.StatusCode == StatusCode.OK ? "answered" : Calls.ReasonOf(method.Ended!);
            if (refusal != "SESSION_REQUIRED")
            {
                wrong.Add($"{method}: {refusal}: {status.Detail}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static Metadata With(ByteString token) => new() { { "keyservice-session-bin", token.ToByteArray() } };

    private static ByteString Code(byte[] seed, int later) => ByteString.CopyFrom(Encoding.ASCII.GetBytes(
        OneTimePassword.CodeAt(seed, OneTimePassword.StepOf(DateTimeOffset.UtcNow) + later).ToString("D6", CultureInfo.InvariantCulture)));

    // Of the same authority and in the same name, with a key of its own.
    private GrpcChannel OtherCertificate()
    {
        var pki = Path.Combine(service.Directory, "pki");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("keyservice:principal/person"));
        var request = new CertificateRequest("CN=thief", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        using var ca = X509Certificate2.CreateFromPemFile(Path.Combine(pki, "ca.crt"), Path.Combine(pki, "ca.key"));
        using var issued = request.Create(ca, new DateTimeOffset(ca.NotBefore), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(16));
        var (certificatePath, keyPath) = (Path.Combine(service.Directory, "thief.crt"), Path.Combine(service.Directory, "thief.key"));
        File.WriteAllText(certificatePath, issued.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return GrpcClients.Connect(service.Endpoint, service.CaPath, certificatePath, keyPath);
    }
}
