using Dapper;
using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.IntegrationTests.Campaigns;

/// <summary>An application's table of rows with a wrapped data key each, bound to a subject id and a context of its own tenant.</summary>
internal sealed class WrappedKeyRows(ServiceFixture service, PostgresFixture postgres, string database) : IDisposable
{
    private const int Batch = 1000;

    private readonly GrpcChannel channel = service.ConnectAs("database");

    public string ConnectionString => postgres.ConnectionString(database);

    /// <summary>Makes the table with rows under the key's active version.</summary>
    public async Task FillAsync(string key, int rows)
    {
        await using var connection = await postgres.OpenAsync(database);
        await connection.ExecuteAsync("CREATE TABLE record (id bigint PRIMARY KEY, tenant text NOT NULL, subject bytea NOT NULL, wrapped bytea)");
        var client = new DataKeys.DataKeysClient(channel);
        for (var first = 0; first < rows; first += Batch)
        {
            var count = Math.Min(Batch, rows - first);
            var tenant = $"hospital-{first / Batch % 7}";
            var request = new GenerateDataKeysRequest
            {
                Key = key, Count = count, WithoutPlaintext = true,
                Binding = new DataKeyBinding { Use = DataKeyUse.Field, Context = Context(tenant) },
            };
            request.SubjectIds.AddRange(Enumerable.Range(0, count).Select(_ => ByteString.CopyFrom(Guid.NewGuid().ToByteArray())));
            var made = await client.GenerateDataKeysAsync(request);
            await using var writer = await connection.BeginBinaryImportAsync("COPY record (id, tenant, subject, wrapped) FROM STDIN BINARY");
            for (var i = 0; i < count; i++)
            {
                await writer.StartRowAsync();
                await writer.WriteAsync((long)(first + i));
                await writer.WriteAsync(tenant);
                await writer.WriteAsync(request.SubjectIds[i].ToByteArray());
                await writer.WriteAsync(made.DataKeys[i].Wrapped.ToByteArray());
            }
            await writer.CompleteAsync();
        }
    }

    /// <summary>Registers the column, and gives its owner "database" what a campaign needs.</summary>
    public async Task RegisterAsync(string holding, string key)
    {
        (await service.RunCliAsync(
            service.Administrator, "holding", "register", holding, "--kind", "postgres-column", "--key", key, "--owner", "database", "--location", "table record",
            "--table", "public.record", "--column", "wrapped", "--use", "field", "--subject-column", "subject", "--context", "table=record",
            "--context-column", "tenant=tenant")).ExpectExit(0);
    }

    /// <summary>Opens the data keys of random rows by what stands in the table at this moment.</summary>
    public async Task OpenSampleAsync(NpgsqlConnection connection, int rows, int sample)
    {
        var client = new DataKeys.DataKeysClient(channel);
        for (var i = 0; i < sample; i++)
        {
            var row = await connection.QuerySingleAsync<(string Tenant, byte[] Subject, byte[] Wrapped)>(
                "SELECT tenant, subject, wrapped FROM record WHERE id = @id", new { id = (long)Random.Shared.Next(rows) });
            var answer = await client.UnwrapDataKeyAsync(new UnwrapDataKeyRequest
            {
                Wrapped = ByteString.CopyFrom(row.Wrapped),
                Binding = new DataKeyBinding { Use = DataKeyUse.Field, SubjectId = ByteString.CopyFrom(row.Subject), Context = Context(row.Tenant) },
            });
            Assert.Equal(32, answer.Plaintext.Length);
        }
    }

    public async Task<long> CountUnderAsync(NpgsqlConnection connection, string version) => await connection.ExecuteScalarAsync<long>(
        "SELECT count(*) FROM record WHERE substring(wrapped from 2 for 8) = @id", new { id = Convert.FromHexString(version) });

    public void Dispose() => channel.Dispose();

    private static Context Context(string tenant)
    {
        var context = new Context();
        context.Entries.Add(new ContextEntry { Key = "table", Value = "record" });
        context.Entries.Add(new ContextEntry { Key = "tenant", Value = tenant });
        return context;
    }
}
