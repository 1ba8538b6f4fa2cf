using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Tests.Storage;
using Npgsql;

namespace KeyService.IntegrationTests.Storage;

/// <summary>An empty database of its own on the class's server, and stores opened on it.</summary>
internal sealed class PostgresDatabase(PostgresFixture server, string name)
{
    public string Name { get; } = name;

    public PostgresStoreOptions Options { get; } = new()
    {
        Host = server.SocketDirectory, Database = name, User = PostgresFixture.User, Tls = PostgresTls.None, Mode = StoreMode.Create, PoolSize = 4,
    };

    public static async Task<PostgresDatabase> MakeAsync(PostgresFixture server) => new(server, await server.CreateDatabaseAsync("store"));

    public PostgresStore Open(TimeProvider? time = null) => PostgresStore.Open(Options, time ?? new TestTime());

    /// <summary>Somebody else's hand in the database, past the service.</summary>
    public async Task<int> EditAsync(string sql)
    {
        await using var connection = await ConnectAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteNonQueryAsync();
    }

    public async Task<T> AskAsync<T>(string sql)
    {
        await using var connection = await ConnectAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private async Task<NpgsqlConnection> ConnectAsync()
    {
        var connection = new NpgsqlConnection(server.ConnectionString(Name) + ";Search Path=keyservice");
        await connection.OpenAsync();
        return connection;
    }
}
