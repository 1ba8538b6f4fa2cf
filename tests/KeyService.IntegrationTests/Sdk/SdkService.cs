using System.Data.Common;
using KeyService.Client;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
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

    /// <summary>A principal of a test's own, which may do these things with every key; with the id of that grant.</summary>
    public static async Task<(ClientIdentity Who, string GrantId)> NewPrincipalAsync(this ServiceFixture service, params string[] permissions)
    {
        var who = await service.IssueClientAsync($"sdk-{Guid.NewGuid():N}"[..20]);
        using var administrator = service.Connect(service.Administrator);
        await administrator.Access.CreatePrincipalAsync(
            who.Name, PrincipalType.Service, new Credential { CertificateSanUri = $"keyservice:principal/{who.Name}" });
        return (who, await service.GrantAsync(who, permissions));
    }

    /// <summary>Grants these permissions on every key; the grant's id.</summary>
    public static async Task<string> GrantAsync(this ServiceFixture service, ClientIdentity who, params string[] permissions)
    {
        using var administrator = service.Connect(service.Administrator);
        return (await administrator.Access.CreateGrantAsync(
            who.Name, permissions.Length > 0 ? permissions : ["generate-data-key", "unwrap-data-key", "rewrap-data-key"], "*",
            Crypto.EncryptionContext.Empty)).Id;
    }

    /// <summary>The records of one key with this event, oldest first.</summary>
    public static async Task<List<AuditRecord>> RecordsAsync(this ServiceFixture service, string auditEvent, string key)
    {
        using var administrator = service.Connect(service.Administrator);
        var found = new List<AuditRecord>();
        await foreach (var record in administrator.Audit.TailAsync(0, follow: false))
        {
            if (record.Event == auditEvent && record.Key == key)
            {
                found.Add(record);
            }
        }
        return found;
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

    /// <summary>As above, for what has to be asked.</summary>
    public static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        var begun = System.Diagnostics.Stopwatch.GetTimestamp();
        while (!await holds())
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(60), $"It never came true that {what}.");
            await Task.Delay(20);
        }
    }

    public static async Task<KeyServiceException> RefusedAsync(string reason, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<KeyServiceException>(call);
        Assert.Equal(reason, refused.Reason);
        return refused;
    }
}
