using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Something that the service answered to a client: from then on it must be true, and on record under this trace id.</summary>
/// <param name="TraceId">The call's.</param>
/// <param name="Reason">Reason of a refusal; empty when the call succeeded.</param>
internal record Answer(string TraceId, string Reason = "");

internal sealed record CreatedKey(string TraceId, string Name) : Answer(TraceId);

internal sealed record CreatedGrant(string TraceId, string Id) : Answer(TraceId);

internal sealed record IssuedDataKey(string TraceId, ByteString Wrapped, byte[] Digest) : Answer(TraceId);

internal sealed record SealedField(string TraceId, ByteString Ciphertext, string Row) : Answer(TraceId);

internal sealed record SealedArchive(string TraceId, byte[] Archive, int Seed) : Answer(TraceId);

/// <summary>Holds answers against a service that was killed, starved or damaged since it gave them.</summary>
internal static class Answers
{
    public const string Table = "labs";

    public static DataKeyBinding Binding { get; } = new() { Use = DataKeyUse.General, Context = Context() };

    public static Context Context(string? row = null)
    {
        var context = new Context { Entries = { new ContextEntry { Key = "table", Value = Table } } };
        if (row is not null)
        {
            context.Entries.Insert(0, new ContextEntry { Key = "row", Value = row });
        }
        return context;
    }

    /// <summary>What stands in a row.</summary>
    public static ByteString Plaintext(string row) => ByteString.CopyFromUtf8($"what stands in row {row}");

    /// <summary>Content of an archive: up to 200 KB, known by its seed.</summary>
    public static byte[] Content(int seed)
    {
        var random = new Random(seed);
        var bytes = new byte[random.Next(200_000)];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>Everything that was answered holds: keys and grants are there, data keys unwrap, fields and archives open.</summary>
    public static async Task HoldAsync(ServiceFixture service, IReadOnlyCollection<Answer> answers)
    {
        using var administrator = service.ConnectAs("administrator");
        using var database = service.ConnectAs("database");
        await HoldAsync(administrator, database, answers);
    }

    /// <summary>As above, over channels of the caller's.</summary>
    public static async Task HoldAsync(GrpcChannel administrator, GrpcChannel database, IReadOnlyCollection<Answer> answers)
    {
        var cipher = new Cipher.CipherClient(database);
        var dataKeys = new DataKeys.DataKeysClient(database);

        var keys = new Keys.KeysClient(administrator);
        await Parallel.ForEachAsync(answers.OfType<CreatedKey>(), async (answer, stop) =>
            Assert.Equal(answer.Name, (await keys.GetKeyAsync(new GetKeyRequest { Name = answer.Name }, cancellationToken: stop)).Key.Name));
        var grants = await GrantsAsync(new Access.AccessClient(administrator));
        Assert.Superset(answers.OfType<CreatedGrant>().Select(answer => answer.Id).ToHashSet(), grants);

        await Parallel.ForEachAsync(answers.OfType<IssuedDataKey>(), async (answer, stop) =>
        {
            var opened = await dataKeys.UnwrapDataKeyAsync(
                new UnwrapDataKeyRequest { Wrapped = answer.Wrapped, Binding = Binding }, cancellationToken: stop);
            Assert.Equal(answer.Digest, SHA256.HashData(opened.Plaintext.Span));
        });
        foreach (var chunk in answers.OfType<SealedField>().Chunk(500))
        {
            var request = new DecryptBatchRequest { Context = Context() };
            request.Items.AddRange(chunk.Select(answer => new DecryptItem { Ciphertext = answer.Ciphertext, Context = Row(answer.Row) }));
            var results = (await cipher.DecryptBatchAsync(request)).Results;
            Assert.Equal(chunk.Select(answer => Plaintext(answer.Row)), results.Select(result => result.Data));
        }
        foreach (var answer in answers.OfType<SealedArchive>())
        {
            Assert.Equal(Content(answer.Seed), await Archives.DecryptAsync(cipher, answer.Archive));
        }
    }

    /// <summary>Every answer has its one record with what was answered.</summary>
    public static void AreLogged(IReadOnlyCollection<Answer> answers, IEnumerable<LoggedCall> log)
    {
        var byTrace = log.Where(call => call.Outcome != LoggedCall.Opened).ToLookup(call => call.TraceId);
        foreach (var answer in answers)
        {
            var record = Assert.Single(byTrace[answer.TraceId]);
            Assert.Equal((answer.Reason.Length == 0 ? LoggedCall.Success : LoggedCall.Refused, answer.Reason), (record.Outcome, record.Reason));
        }
    }

    private static Context Row(string row) => new() { Entries = { new ContextEntry { Key = "row", Value = row } } };

    private static async Task<HashSet<string>> GrantsAsync(Access.AccessClient access)
    {
        var ids = new HashSet<string>();
        var token = "";
        do
        {
            var page = await access.ListGrantsAsync(new ListGrantsRequest { PageSize = 1000, PageToken = token });
            ids.UnionWith(page.Grants.Select(grant => grant.Id));
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        return ids;
    }
}
