using Dapper;
using KeyService.Client;
using KeyService.Crypto;
using Npgsql;

namespace KeyService.IntegrationTests.Adopt;

/// <summary>The application after the adoption: it reads and writes tokens by the client library, with its own declaration of the columns.</summary>
internal sealed class AdoptedFields : IAsyncDisposable
{
    private readonly AdoptedDatabase database;
    private readonly NpgsqlDataSource source;
    private readonly KeyServiceClient client;
    private readonly FieldEncryption fields;

    private AdoptedFields(AdoptedDatabase database, NpgsqlDataSource source, KeyServiceClient client)
    {
        this.database = database;
        this.source = source;
        this.client = client;
        fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = AdoptedDatabase.Key, Table = new WrappedKeyTable(source) });
    }

    public static AdoptedFields Open(ServiceFixture service, AdoptedDatabase database) => new(
        database,
        NpgsqlDataSource.Create(database.ConnectionString),
        KeyServiceClient.Connect(ClientProfile.Load(service.Database.ProfilePath).ToOptions()));

    public async Task<byte[]?> ReadAsync(string column, long id) =>
        await database.Connection.ExecuteScalarAsync<byte[]?>($"SELECT {column} FROM patient WHERE id = @id", new { id }) is { } token
            ? await fields.DecryptAsync(Column(column).Row(id), token.AsMemory())
            : null;

    public async Task WriteAsync(string column, long id, byte[]? value, bool text)
    {
        var token = value is null ? null : await EncryptAsync(column, id, value);
        await database.Connection.ExecuteAsync(
            $"UPDATE patient SET {column} = @token WHERE id = @id",
            new { id, token = token is null ? null : text ? (object)FieldTokenText.Format(token) : token });
    }

    public async Task<byte[]> EncryptAsync(string column, long id, byte[] value) => await fields.EncryptAsync(Column(column).Row(id), value.AsMemory());

    public async ValueTask DisposeAsync()
    {
        await fields.DisposeAsync();
        client.Dispose();
        await source.DisposeAsync();
    }

    private static EncryptedColumn Column(string name) => new("ehr", "patient", name);
}
