using Grpc.Core;
using KeyService.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.BadInput;

/// <summary>
/// Somebody who can write to the database, and has neither token nor PIN, changes rows that decide something. Each case works on
/// a copy of one store; nothing is ever answered from a changed row.
/// </summary>
[Collection("Stopped service")]
public sealed class EditedRowsTests(StoppedService stopped)
{
    private readonly ServiceFixture service = stopped.Service;

    [Theory]
    [InlineData("UPDATE grants SET permissions = 'create-key' WHERE principal = 'database'")]
    [InlineData("UPDATE grants SET key_pattern = 'edited/*' WHERE principal = 'database'")]
    [InlineData("UPDATE grants SET principal = 'backup' WHERE principal = 'database'")]
    [InlineData("DELETE FROM grants WHERE principal = 'database'")]
    [InlineData("UPDATE principals SET credential_value = 'keyservice:principal/eve' WHERE name = 'administrator'")]
    [InlineData("UPDATE principals SET disabled = 1 WHERE name = 'backup'")]
    [InlineData("UPDATE installation SET installation_id = randomblob(16)")]
    public async Task A_changed_register_stops_the_start(string edit)
    {
        var config = EditedCopy(edit);

        var result = await Executables.RunServerAsync(["serve", "--config", config], service.ServerEnvironment, service.Directory);

        Assert.Contains("outside the service", result.ExpectExit(4).Error, StringComparison.Ordinal);
        Assert.Contains("Table ", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("UPDATE keys SET rotation_period_seconds = rotation_period_seconds + 1 WHERE name = 'edited/one'")]
    [InlineData("UPDATE key_versions SET activated_at = activated_at + 1 WHERE key_name = 'edited/one'")]
    [InlineData("UPDATE key_blobs SET blob = (SELECT blob FROM key_blobs WHERE version_id IN {two}) WHERE version_id IN {one}")]
    [InlineData("UPDATE bulk_keys SET wrapped = (SELECT wrapped FROM bulk_keys WHERE version_id IN {two}) WHERE version_id IN {one}")]
    [InlineData("UPDATE wrap_counts SET reserved = 0 WHERE version_id IN {one}")]
    [InlineData("DELETE FROM wrap_counts WHERE version_id IN {one}")]
    public async Task A_changed_key_is_not_used_and_its_neighbour_is(string edit)
    {
        var server = await ServerProcess.StartAsync(EditedCopy(edit), service.ServerEnvironment);
        try
        {
            using var channel = service.ConnectAs("database");

            var dataKey = await UseAsync(channel, "edited/one", dataKey: true);
            var field = await UseAsync(channel, "edited/one", dataKey: false);

            // A data key does not need the bulk key, and a field does not count a wrap; one of the two needs the row that was changed.
            var refused = Assert.IsType<RpcException>(dataKey ?? field);
            Assert.Equal(StatusCode.DataLoss, refused.StatusCode);
            Assert.Contains("outside the service", refused.Status.Detail, StringComparison.Ordinal);
            Assert.Null(await UseAsync(channel, "edited/two", dataKey: true));
            Assert.Null(await UseAsync(channel, "edited/two", dataKey: false));
        }
        finally
        {
            await server.StopAsync();
        }
    }

    private static async Task<RpcException?> UseAsync(ChannelBase channel, string key, bool dataKey)
    {
        try
        {
            if (dataKey)
            {
                await new DataKeys.DataKeysClient(channel).GenerateDataKeyAsync(
                    new GenerateDataKeyRequest { Key = key, Binding = new DataKeyBinding { Use = DataKeyUse.General } });
            }
            else
            {
                await new Cipher.CipherClient(channel).EncryptAsync(new EncryptRequest { Key = key });
            }
            return null;
        }
        catch (RpcException e)
        {
            return e;
        }
    }

    // A copy of the stopped service's store with one edit, and a configuration that names it.
    private string EditedCopy(string edit)
    {
        var name = $"edited-{Guid.NewGuid():N}";
        var store = Path.Combine(service.Directory, name + ".db");
        service.CopyStore(store);
        using var connection = new SqliteConnection($"Data Source={store};Pooling=False;Foreign Keys=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = edit
            .Replace("{one}", "(SELECT id FROM key_versions WHERE key_name = 'edited/one')", StringComparison.Ordinal)
            .Replace("{two}", "(SELECT id FROM key_versions WHERE key_name = 'edited/two')", StringComparison.Ordinal);
        Assert.True(command.ExecuteNonQuery() > 0, $"The edit changed nothing: {edit}");
        // A host of its own: what the server before saw of the store is not known here, or the copy would be told for being behind it.
        Directory.CreateDirectory(Path.Combine(service.Directory, name));
        return service.WriteConfig(
            all =>
            {
                ((Dictionary<string, object?>)all["store"]!)["sqlite"] = name + ".db";
                all["dataDirectory"] = name;
            },
            name + ".json");
    }
}
