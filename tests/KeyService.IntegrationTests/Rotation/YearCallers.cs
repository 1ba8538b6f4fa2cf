using System.Collections.Concurrent;
using System.Security.Cryptography;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>
/// Callers that have something protected under each key again and again, turn to another server when one is gone, and write down what they were told.
/// </summary>
internal sealed class YearCallers(IReadOnlyList<YearServer> servers, IReadOnlyList<string> names, MovedClock clock)
{
    private const int AtOnce = 8;
    private const int BatchSize = 1000;
    // One in so many asks for a data key, which the HSM wraps; the others encrypt a field.
    private const int DataKeyEvery = 8;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentQueue<YearAnswer> _answers = new();
    private int _asked;
    private int _cutOff;

    public IReadOnlyCollection<YearAnswer> Answers => _answers;

    /// <summary>Calls that a server which was killed did not answer.</summary>
    public int CutOff => _cutOff;

    private static Context Place => new() { Entries = { new ContextEntry { Key = "table", Value = "year" } } };

    private static DataKeyBinding Binding => new() { Use = DataKeyUse.General, Context = Place };

    private static DateTime Deadline => DateTime.UtcNow + Longest;

    /// <summary>Has something protected under each of these keys.</summary>
    /// <param name="turns">Number of a key, and of the server that is asked first.</param>
    /// <returns>Keys that were refused.</returns>
    public async Task<IReadOnlyCollection<int>> AskAsync(IEnumerable<(int Key, int Server)> turns)
    {
        var refused = new ConcurrentBag<int>();
        await Parallel.ForEachAsync(turns, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (turn, _) =>
        {
            var answer = await AskAsync(turn.Key, turn.Server);
            _answers.Enqueue(answer);
            if (answer is YearRefusal)
            {
                refused.Add(turn.Key);
            }
        });
        return refused;
    }

    /// <summary>Has a server open everything that was ever protected; fails the test when something does not open, or is not what it was.</summary>
    /// <returns>How many pieces.</returns>
    public async Task<int> OpenAsync(YearServer server)
    {
        await Parallel.ForEachAsync(_answers.OfType<YearDataKey>(), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (each, stop) =>
        {
            var request = new UnwrapDataKeyRequest { Wrapped = each.Wrapped, Binding = Binding };
            Assert.Equal(each.Digest, SHA256.HashData((await server.DataKeys.UnwrapDataKeyAsync(request, deadline: Deadline, cancellationToken: stop)).Plaintext.Span));
        });
        foreach (var batch in _answers.OfType<YearField>().Chunk(BatchSize))
        {
            var request = new DecryptBatchRequest { Context = Place };
            request.Items.AddRange(batch.Select(each => new DecryptItem { Ciphertext = each.Ciphertext }));
            var results = (await server.Cipher.DecryptBatchAsync(request, deadline: Deadline)).Results;
            Assert.Equal(batch.Select(each => each.Plaintext), results.Select(each => each.Error + each.Data.ToStringUtf8()));
        }

        return _answers.OfType<YearProtection>().Count();
    }

    private async Task<YearAnswer> AskAsync(int key, int first)
    {
        for (var server = first; ; server++)
        {
            var asked = servers[server % servers.Count];
            if (!asked.Answers)
            {
                Assert.Contains(servers, each => each.Answers);
                continue;
            }

            var least = clock.Least;
            try
            {
                return await ProtectAsync(asked, key, least);
            }
            catch (RpcException failure) when (ReasonOf(failure) == "KEY_OVERDUE")
            {
                return new YearRefusal(key, least, clock.Most);
            }
            catch (RpcException failure) when (ReasonOf(failure) is null && failure.StatusCode != StatusCode.DeadlineExceeded)
            {
                Interlocked.Increment(ref _cutOff);
                await Task.Delay(Pause);
            }
        }
    }

    private async Task<YearProtection> ProtectAsync(YearServer server, int key, DateTimeOffset least)
    {
        var number = Interlocked.Increment(ref _asked);
        if (number % DataKeyEvery == 0)
        {
            var made = await server.DataKeys.GenerateDataKeyAsync(
                new GenerateDataKeyRequest { Key = names[key], Binding = Binding }, deadline: Deadline);
            return new YearDataKey(key, least, clock.Most, made.KeyVersion, made.Wrapped, SHA256.HashData(made.Plaintext.Span));
        }

        var plaintext = $"{names[key]} {number}";
        var field = await server.Cipher.EncryptAsync(
            new EncryptRequest { Key = names[key], Context = Place, Plaintext = ByteString.CopyFromUtf8(plaintext) }, deadline: Deadline);
        return new YearField(key, least, clock.Most, field.KeyVersion, field.Ciphertext, plaintext);
    }

    private static string? ReasonOf(RpcException failure) => failure.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason;
}
