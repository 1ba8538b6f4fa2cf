using Google.Protobuf;
using KeyService.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Service;

/// <summary>
/// Somebody who can write the database deletes rows of a key or puts earlier ones back, whose MACs are good: the counts show it. Nothing is
/// protected
/// under that key any more, and what was protected under others stays readable.
/// </summary>
public sealed class DeletedKeyTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    private const string PutBack =
        """
        UPDATE key_versions SET (state, deactivated_at, state_changed_at, state_changed_by, state_reason, transition_count, revision, mac) =
            (SELECT e.state, e.deactivated_at, e.state_changed_at, e.state_changed_by, e.state_reason, e.transition_count, e.revision, e.mac
             FROM earlier.key_versions e WHERE e.id = key_versions.id) WHERE key_name = @name AND state = 4;
        """;

    [Theory]
    [InlineData("DELETE FROM keys WHERE name = @name", Refused.AnyKey)]
    [InlineData("UPDATE keys SET (primary_version, version_count, version_change_count, rotate_at, warn_at, waiting_versions, revision, mac) = (SELECT e.primary_version, e.version_count, e.version_change_count, e.rotate_at, e.warn_at, e.waiting_versions, e.revision, e.mac FROM earlier.keys e WHERE e.name = keys.name) WHERE name = @name", Refused.AnyKey)]
    [InlineData("DELETE FROM key_versions WHERE key_name = @name AND state = 4", Refused.ThisKey)]
    [InlineData(PutBack, Refused.ThisKey)]
    public async Task Nothing_new_is_protected_and_the_neighbours_stay_readable(string edit, Refused refused)
    {
        var key = await Calls.NewKeyAsync(service);
        var neighbour = await Calls.NewKeyAsync(service);
        ByteString token;
        using (var before = service.ConnectAs("database"))
        {
            token = (await new Cipher.CipherClient(before).EncryptAsync(
                new EncryptRequest { Key = neighbour.Name, Plaintext = ByteString.CopyFromUtf8("note") })).Ciphertext;
        }

        await service.StopAsync();
        var earlier = Copy("earlier");
        await service.StartAsync();
        await Calls.RotateAsync(service, key.Name);
        await service.StopAsync();
        var whole = Copy("whole");
        Edit(edit, key.Name, earlier);
        await service.StartAsync();
        try
        {
            using var channel = service.ConnectAs("database");
            var cipher = new Cipher.CipherClient(channel);
            await Calls.RefusedAsync(Reason.StoreTampered, cipher.EncryptAsync(new EncryptRequest { Key = key.Name }));
            if (refused == Refused.AnyKey)
            {
                await Calls.RefusedAsync(Reason.StoreTampered, cipher.EncryptAsync(new EncryptRequest { Key = neighbour.Name }));
                await Calls.RefusedAsync(Reason.StoreTampered, () => Calls.NewKeyAsync(service));
            }
            else
            {
                await cipher.EncryptAsync(new EncryptRequest { Key = neighbour.Name });
            }

            Assert.Equal("note", (await cipher.DecryptAsync(new DecryptRequest { Ciphertext = token })).Plaintext.ToStringUtf8());
            using var administrator = service.ConnectAs("administrator");
            Assert.NotEmpty((await new Protocol.V1.System.SystemClient(administrator).GetStatusAsync(new GetStatusRequest())).Version);
        }
        finally
        {
            await service.StopAsync();
            File.Delete(service.StorePath + "-wal");
            File.Delete(service.StorePath + "-shm");
            File.Copy(whole, service.StorePath, overwrite: true);
            service.ForgetStore();
            await service.StartAsync();
        }
    }

    private string Copy(string name)
    {
        var path = Path.Combine(service.Directory, $"{name}-{Guid.NewGuid():N}.db");
        using var connection = Open();
        Execute(connection, "VACUUM INTO @path", ("@path", path));
        return path;
    }

    private void Edit(string sql, string name, string earlier)
    {
        using var connection = Open();
        Execute(connection, "ATTACH @earlier AS earlier", ("@earlier", earlier));
        Assert.True(Execute(connection, sql, ("@name", name)) > 0, $"The edit changed nothing: {sql}");
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection($"Data Source={service.StorePath};Pooling=False;Foreign Keys=False");
        connection.Open();
        return connection;
    }

    private static int Execute(SqliteConnection connection, string sql, (string Name, string Value) parameter)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue(parameter.Name, parameter.Value);
        return command.ExecuteNonQuery();
    }
}

/// <summary>Which keys protect nothing more after an edit.</summary>
public enum Refused
{
    ThisKey,

    /// <summary>A key's own row: nobody can say whose it was.</summary>
    AnyKey,
}
