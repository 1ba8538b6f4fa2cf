using Dapper;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Hosting;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// What the child does in <see cref="MemoryTests"/> for a bulk key, which never leaves a server: a server's configuration in hand, it has the token
/// open the only one in the store and says it in hexadecimal. In a process of its own, as the module is configured by the environment.
/// </summary>
internal static class BulkKeyReader
{
    internal const string ConfigurationVariable = "KEYSERVICE_TESTS_READ_BULK_KEY_OF";

    public static async Task<int> RunAsync(string configurationPath)
    {
        var configuration = ConfigurationFile.Load(configurationPath);
        await using var token = HsmToken.Open(configuration.Hsm, TimeProvider.System);
        using var store = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = configuration.SqlitePath!, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        var wrapped = await store.QuerySingleAsync<byte[]>("SELECT wrapped FROM bulk_keys WHERE version_id = (SELECT primary_version FROM keys)");
        var (blob, check) = await store.QuerySingleAsync<(byte[], byte[])>(
            "SELECT b.blob, v.check_value FROM key_blobs b JOIN key_versions v ON v.id = b.version_id WHERE b.token_id = @token AND v.id = (SELECT primary_version FROM keys)",
            new { token = token.TokenId });
        token.KekSource = (_, _) => ValueTask.FromResult<StoredKek?>(new StoredKek(blob, check));
        if (!WrappedDataKey.TryParse(wrapped, out var parsed))
        {
            return 1;
        }
        var id = parsed.VersionId;
        var aad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, id, default, EncryptionContext.Empty);
        var key = GC.AllocateArray<byte>(32, pinned: true);
        if (!await token.UnwrapDataKeyAsync(id, wrapped, aad, key))
        {
            return 1;
        }
        await Console.Out.WriteLineAsync(Convert.ToHexStringLower(key));
        return 0;
    }
}
