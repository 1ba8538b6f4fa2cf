using System.Text;
using Google.Protobuf;
using Grpc.Core;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Telemetry;

/// <summary>The real server exports to a real receiver, which decodes what came on the wire.</summary>
public sealed class OtlpTests
{
    private const string Secret = "Patient-Name-Which-Nobody-May-See";

    [Theory]
    [InlineData("grpc")]
    [InlineData("http/protobuf")]
    public async Task Spans_metrics_and_logs_arrive_and_hold_no_secret(string protocol)
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        await using var service = new ServiceFixture();
        Infrastructure.RequireSoftHsm();
        Infrastructure.RequireTool("openssl", "openssl");
        await service.ProvisionAsync();
        service.WriteConfig(config => config["telemetry"] = new Dictionary<string, object?>
        {
            ["otlpEndpoint"] = protocol == "grpc" ? receiver.GrpcEndpoint : receiver.HttpEndpoint,
            ["otlpProtocol"] = protocol,
            ["metricSeconds"] = 1,
        });
        await service.StartAsync();
        await RegisterDatabaseAsync(service);
        using var database = service.ConnectAs("database");
        var trace = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray());
        var headers = new Metadata { { "traceparent", $"00-{trace}-00f067aa0ba902b7-01" } };

        var dataKey = await new DataKeys.DataKeysClient(database).GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = "telemetry/one", Binding = new DataKeyBinding { Use = DataKeyUse.General } }, headers);
        await new Cipher.CipherClient(database).EncryptAsync(
            new EncryptRequest { Key = "telemetry/one", Plaintext = ByteString.CopyFromUtf8(Secret),
                Context = Calls.Context(("table", "Context-Value-Not-Exported")) }, headers);
        await Assert.ThrowsAsync<RpcException>(async () =>
            await new Cipher.CipherClient(database).EncryptAsync(new EncryptRequest { Key = "not/there" }, headers));
        // An orderly stop sends what waits to be sent.
        Assert.Equal(0, await service.StopAsync());

        var call = Assert.Single(receiver.Spans, span => span.TraceId == trace && span.Name == "keyservice.v1.DataKeys/GenerateDataKey");
        Assert.Equal(("00f067aa0ba902b7", "telemetry/one", "success", "database"),
            (call.ParentId, call.Attributes["keyservice.key"], call.Attributes["keyservice.outcome"],
                call.Attributes["keyservice.principal"]));
        Assert.Contains(receiver.Spans, span =>
            span.TraceId == trace && span.ParentId == call.SpanId && span.Name == "hsm GenerateDataKeys");
        Assert.Contains(receiver.Spans, span => span.TraceId == trace && span.ParentId == call.SpanId && span.Name == "store record");
        Assert.Contains(receiver.Metrics, metric => metric.Name == "keyservice.operations"
            && metric.Attributes["key"] == "telemetry/one" && metric.Attributes["rpc.method"] == "keyservice.v1.Cipher/Encrypt"
                && metric.Attributes["outcome"] == "success");
        Assert.Contains(receiver.Metrics, metric =>
            metric.Name == "keyservice.call.duration" && metric.Attributes["reason"] == "ACCESS_DENIED");
        Assert.Contains(receiver.Metrics, metric =>
            metric.Name == "keyservice.hsm.duration" && metric.Attributes["hsm.operation"] == "GenerateDataKeys");
        Assert.DoesNotContain(receiver.Metrics, metric => metric.Attributes.TryGetValue("key", out var key) && key == "not/there");
        Assert.Contains(receiver.Logs, log => log.TraceId == trace && log.Body.Contains("ACCESS_DENIED", StringComparison.Ordinal));
        AssertNowhere(receiver, Encoding.UTF8.GetBytes(Secret), dataKey.Plaintext.ToByteArray(),
            Encoding.UTF8.GetBytes("Context-Value-Not-Exported"),
            await File.ReadAllBytesAsync(Path.Combine(service.Directory, "pin")));
    }

    private static void AssertNowhere(OtlpReceiver receiver, params byte[][] secrets)
    {
        Assert.NotEmpty(receiver.Raw);
        foreach (var secret in secrets)
        {
            var hex = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(secret));
            var base64 = Encoding.ASCII.GetBytes(Convert.ToBase64String(secret).TrimEnd('='));
            foreach (var export in receiver.Raw)
            {
                Assert.Equal(-1, export.AsSpan().IndexOf(secret));
                Assert.Equal(-1, export.AsSpan().IndexOf(hex));
                Assert.Equal(-1, export.AsSpan().IndexOf(base64));
            }
        }
    }

    private static async Task RegisterDatabaseAsync(ServiceFixture service)
    {
        using var administrator = service.ConnectAs("administrator");
        var access = new Access.AccessClient(administrator);
        await access.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = "database", Type = PrincipalType.Service,
            Credential = new Credential { CertificateSanUri = "keyservice:principal/database" },
        });
        await access.CreateGrantAsync(new CreateGrantRequest
        {
            RequestId = Calls.NewRequestId(), Principal = "database", KeyPattern = "telemetry/*",
                Permissions = { "generate-data-key", "encrypt" },
        });
        await new Keys.KeysClient(administrator).CreateKeyAsync(new CreateKeyRequest
        {
            RequestId = Calls.NewRequestId(), Name = "telemetry/one", Purpose = KeyPurpose.EncryptDecrypt,
        });
    }
}
