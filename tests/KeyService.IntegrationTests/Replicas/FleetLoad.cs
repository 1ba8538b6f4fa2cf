using System.Collections.Concurrent;
using System.Security.Cryptography;
using Grpc.Core;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>
/// Callers who take the servers of a fleet in turn, each opening at one what another gave it, and who go on to the next server when one does not answer.
/// What they were answered is written down.
/// </summary>
internal sealed class FleetLoad : IAsyncDisposable
{
    // Load, not a measurement of throughput: everything that was answered is opened again at every server.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);
    private readonly Fleet fleet;
    private readonly string key;
    private readonly CancellationTokenSource end = new();
    private readonly ConcurrentQueue<Answer> answers = new();
    private readonly ConcurrentQueue<string> failures = new();
    private readonly Task[] callers;
    private int moved;

    public FleetLoad(Fleet fleet, string key, int callers = 4)
    {
        this.fleet = fleet;
        this.key = key;
        this.callers = [.. Enumerable.Range(0, callers).Select(caller => Task.Run(() => CallOnAsync(caller)))];
    }

    public IReadOnlyCollection<Answer> Answered => answers;

    /// <summary>Calls that failed at a server that nobody had ended.</summary>
    public IReadOnlyCollection<string> Failures => failures;

    /// <summary>Calls that found a server gone and were made again elsewhere.</summary>
    public int Moved => moved;

    /// <summary>Waits until this many more calls were answered.</summary>
    public Task ProgressAsync(int more)
    {
        var until = answers.Count + more;
        return Until.TrueAsync(() => answers.Count >= until || !failures.IsEmpty, $"{until} answers");
    }

    public async Task EndAsync()
    {
        await end.CancelAsync();
        await Task.WhenAll(callers);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        end.Dispose();
    }

    private async Task CallOnAsync(int caller)
    {
        var random = new Random(caller);
        var last = new Last();
        for (var call = caller; !end.IsCancellationRequested; call++)
        {
            for (var tries = 0; !await TryAsync(fleet.Replicas, call + tries, random, last); tries++)
            {
                Interlocked.Increment(ref moved);
            }

            await Task.Delay(Pace, CancellationToken.None);
        }
    }

    /// <summary>False when the server is gone.</summary>
    private async Task<bool> TryAsync(IReadOnlyList<Replica> replicas, int turn, Random random, Last last)
    {
        var replica = replicas[turn % replicas.Count];
        try
        {
            answers.Enqueue(await CallAsync(replica, random, last));
            return true;
        }
        catch (Exception e) when (e is RpcException or IOException && replica.IsAway)
        {
            return false;
        }
        catch (Exception e)
        {
            failures.Enqueue($"{replica.Name}: {e}");
            return true;
        }
    }

    private async Task<Answer> CallAsync(Replica replica, Random random, Last last)
    {
        var headers = Workload.Traced(out var trace);
        var dataKeys = new DataKeys.DataKeysClient(replica.Database);
        switch (random.Next(8))
        {
            case 0:
                var issued = await dataKeys.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = key, Binding = Answers.Binding }, headers);
                return last.DataKey = new IssuedDataKey(trace, issued.Wrapped, SHA256.HashData(issued.Plaintext.Span));
            case 1 when last.DataKey is { } known:
                var opened = await dataKeys.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = known.Wrapped, Binding = Answers.Binding }, headers);
                Assert.Equal(known.Digest, SHA256.HashData(opened.Plaintext.Span));
                return new Answer(trace);
            case 2 or 3 or 4 when last.Field is { } field:
                var read = await new Cipher.CipherClient(replica.Database).DecryptAsync(
                    new DecryptRequest { Ciphertext = field.Ciphertext, Context = Answers.Context(field.Row) }, headers);
                Assert.Equal(Answers.Plaintext(field.Row), read.Plaintext);
                return new Answer(trace);
            default:
                return last.Field = (SealedField)await Replica.EncryptAsync(replica.Database, key, headers, trace);
        }
    }

    /// <summary>What a caller was given last, by whichever server.</summary>
    private sealed class Last
    {
        public IssuedDataKey? DataKey { get; set; }

        public SealedField? Field { get; set; }
    }
}
