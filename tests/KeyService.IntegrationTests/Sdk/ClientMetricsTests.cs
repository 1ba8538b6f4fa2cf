using KeyService.Client;
using KeyService.IntegrationTests.Service;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>The meter <c>KeyService.Client</c> counts what docs/sdk.md says it counts.</summary>
[Collection(RunningService.Name)]
public sealed class ClientMetricsTests(ServiceFixture service)
{
    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");

    [Fact]
    public async Task Leases_made_used_missed_and_withdrawn_are_counted()
    {
        using var metrics = new CountedMetrics();
        var (keeper, table) = await SdkService.NewTableAsync();
        await using var open = keeper;
        var key = (await Calls.NewKeyAsync(service)).Name;
        var (who, grant) = await service.NewPrincipalAsync();
        using var client = service.Connect(who);
        var options = new FieldEncryptionOptions { Key = key, Table = table };
        await using (var writer = client.CreateFieldEncryption(options))
        {
            var tokens = await writer.EncryptManyAsync([.. Enumerable.Range(0, 5).Select(row => new RowField(Ssn.Row(row + 1), new byte[10]))]);
            Assert.Equal((1, 0), (metrics["leases.made"], metrics["keys.misses"]));

            await using var reader = client.CreateFieldEncryption(options);
            await reader.DecryptManyAsync([.. tokens.Select((token, row) => new RowField(Ssn.Row(row + 1), token))]);
            Assert.Equal((2, 1), (metrics["leases.made"], metrics["keys.misses"]));
            await reader.DisposeAsync();
            // Five decrypted by the reader; the writer's uses are reported later.
            Assert.Equal((5, 1), (metrics["keys.hits"], metrics["leases.ended"]));

            using var administrator = service.Connect(service.Administrator);
            await administrator.Access.RevokeGrantAsync(grant);
            await SdkService.UntilAsync(() => metrics["leases.revoked"] == 1, "the withdrawn lease is counted");
            await SdkService.UntilAsync(() => metrics["leases.ended"] == 2, "the withdrawn lease is counted as ended");
        }
        Assert.Equal(2, metrics["leases.made"]);
        Assert.Equal(2, metrics["leases.ended"]);
        Assert.Equal(1, metrics["leases.revoked"]);
        Assert.Equal(10, metrics["keys.hits"]);
        Assert.Equal(0, metrics["grace.messages"]);
    }
}
