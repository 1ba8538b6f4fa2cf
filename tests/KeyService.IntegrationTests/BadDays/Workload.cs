using System.Collections.Concurrent;
using System.Security.Cryptography;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Protocol.V1;
using Status = Grpc.Core.Status;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// Clients that go on calling while something breaks, and write down what they were answered: keys and grants made, data keys, fields,
/// archives, refusals. What they were not answered they ask again later by the same request id.
/// </summary>
internal sealed class Workload(ServiceFixture service, string key, int seed)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private readonly ConcurrentQueue<Answer> answers = new();
    private readonly ConcurrentQueue<RpcException> failures = new();
    private readonly ConcurrentQueue<IMessage> unanswered = new();
    private int round;

    /// <summary>What was answered so far.</summary>
    public IReadOnlyCollection<Answer> Answered => answers;

    /// <summary>Calls that ended without an answer of their own: refused as unavailable, cut off.</summary>
    public IReadOnlyCollection<RpcException> Failures => failures;

    /// <summary>Starts anew with what is written down; returns what was, for a check.</summary>
    public IReadOnlyCollection<Answer> Take()
    {
        var taken = answers.ToList();
        answers.Clear();
        failures.Clear();
        return taken;
    }

    /// <summary>Calls from <paramref name="callers"/> tasks until <paramref name="stop"/>; the task completes when all have ended.</summary>
    public async Task RunAsync(int callers, CancellationToken stop)
    {
        var thisRound = Interlocked.Increment(ref round);
        using var administrator = service.ConnectAs("administrator");
        using var database = service.ConnectAs("database");
        await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(
            () => CallOnAsync(administrator, database, new Random(HashCode.Combine(seed, thisRound, caller)), stop), CancellationToken.None)));
    }

    /// <summary>Asks again what was not answered, by the same request ids: nothing may be done twice, and all of it now is.</summary>
    public async Task AskAgainAsync()
    {
        using var channel = service.ConnectAs("administrator");
        while (unanswered.TryDequeue(out var request))
        {
            await MutateAsync(channel, request);
        }
    }

    private async Task CallOnAsync(GrpcChannel administrator, GrpcChannel database, Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await CallAsync(administrator, database, random);
            }
            catch (Exception failure) when (failure is RpcException or IOException)
            {
                // The transport's client lets a broken connection out as it is when that breaks a stream's writes.
                failures.Enqueue(failure as RpcException ?? new RpcException(new Status(StatusCode.Unavailable, failure.Message)));
                // Nobody waits for a server that is gone; one that refuses is asked again.
                await Task.Delay(Pause, CancellationToken.None);
            }
        }
    }

    private async Task CallAsync(GrpcChannel administrator, GrpcChannel database, Random random)
    {
        var headers = Traced(out var trace);
        switch (random.Next(20))
        {
            case 0:
                await TryMutateAsync(administrator, new CreateKeyRequest
                {
                    RequestId = Guid.NewGuid().ToString(), Name = $"bad-day/{Guid.NewGuid():N}", Purpose = KeyPurpose.EncryptDecrypt,
                });
                break;
            case 1:
                var grant = new CreateGrantRequest
                {
                    RequestId = Guid.NewGuid().ToString(), Principal = "backup", KeyPattern = $"bad-day/{Guid.NewGuid():N}",
                };
                grant.Permissions.Add("read-key");
                await TryMutateAsync(administrator, grant);
                break;
            case 2:
                var content = random.Next();
                answers.Enqueue(new SealedArchive(
                    trace, await Archives.EncryptAsync(new Cipher.CipherClient(database), key, Answers.Content(content), headers), content));
                break;
            case 3:
                await RefusedAsync(database, headers, trace);
                break;
            case < 12:
                var issued = await new DataKeys.DataKeysClient(database).GenerateDataKeyAsync(
                    new GenerateDataKeyRequest { Key = key, Binding = Answers.Binding }, headers);
                answers.Enqueue(new IssuedDataKey(trace, issued.Wrapped, SHA256.HashData(issued.Plaintext.Span)));
                break;
            default:
                var row = $"{random.Next()}";
                var made = await new Cipher.CipherClient(database).EncryptAsync(
                    new EncryptRequest { Key = key, Context = Answers.Context(row), Plaintext = Answers.Plaintext(row) }, headers);
                answers.Enqueue(new SealedField(trace, made.Ciphertext, row));
                break;
        }
    }

    // A refusal is an answer too.
    private async Task RefusedAsync(GrpcChannel database, Metadata headers, string trace)
    {
        try
        {
            await new Cipher.CipherClient(database).DecryptAsync(
                new DecryptRequest { Ciphertext = ByteString.CopyFrom(new byte[80]), Context = Answers.Context() }, headers);
            Assert.Fail("Zeros were decrypted.");
        }
        catch (RpcException refused) when (refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason == "DECRYPTION_FAILED")
        {
            answers.Enqueue(new Answer(trace, "DECRYPTION_FAILED"));
        }
    }

    private async Task TryMutateAsync(GrpcChannel channel, IMessage request)
    {
        try
        {
            await MutateAsync(channel, request);
        }
        catch (RpcException)
        {
            unanswered.Enqueue(request);
            throw;
        }
    }

    private async Task MutateAsync(GrpcChannel channel, IMessage request)
    {
        var headers = Traced(out var trace);
        if (request is CreateKeyRequest create)
        {
            answers.Enqueue(new CreatedKey(trace, (await new Keys.KeysClient(channel).CreateKeyAsync(create, headers)).Key.Name));
        }
        else
        {
            var made = await new Access.AccessClient(channel).CreateGrantAsync((CreateGrantRequest)request, headers);
            answers.Enqueue(new CreatedGrant(trace, made.Grant.Id));
        }
    }

    /// <summary>Headers of a call under a trace id of its own, by which its record is found.</summary>
    public static Metadata Traced(out string trace)
    {
        trace = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        return new Metadata { { "traceparent", $"00-{trace}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}-01" } };
    }
}
