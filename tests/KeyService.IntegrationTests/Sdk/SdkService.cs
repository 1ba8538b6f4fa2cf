using System.Data.Common;
using KeyService.Client;
using KeyService.IntegrationTests.Service;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>What the tests of the SDK have in common.</summary>
internal static class SdkService
{
    /// <summary>The SDK's client over mutual TLS, as one of the fixture's principals.</summary>
    public static KeyServiceClient Connect(this ServiceFixture service, ClientIdentity who, Func<ClientOptions, ClientOptions>? change = null)
    {
        var options = new ClientOptions
        {
            Endpoint = service.Endpoint.GetLeftPart(UriPartial.Authority),
            CaPath = service.CaPath,
            ClientCertificatePath = who.CertificatePath,
            ClientKeyPath = who.KeyPath,
        };
        return KeyServiceClient.Connect(change?.Invoke(options) ?? options);
    }

    /// <summary>A database of its own in memory, open as long as the source is.</summary>
    public static async Task<(SqliteConnection Keeper, WrappedKeyTable Table)> NewTableAsync()
    {
        var text = $"Data Source=sdk-{Guid.NewGuid():N};Mode=Memory;Cache=Shared";
        var keeper = new SqliteConnection(text);
        await keeper.OpenAsync();
        var table = new WrappedKeyTable(SqliteFactory.Instance.CreateDataSource(text));
        await table.CreateAsync();
        return (keeper, table);
    }

    /// <summary>Waits until something holds; fails with <paramref name="what"/> after a generous time.</summary>
    public static async Task UntilAsync(Func<bool> holds, string what)
    {
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!holds())
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(60), $"It never came true that {what}.");
            await Task.Delay(10);
        }
    }

    public static async Task<KeyServiceException> RefusedAsync(string reason, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<KeyServiceException>(call);
        Assert.Equal(reason, refused.Reason);
        return refused;
    }
}
