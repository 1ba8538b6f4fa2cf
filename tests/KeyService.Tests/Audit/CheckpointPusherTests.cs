using System.Net;
using KeyService.Crypto.Logs;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Witness;
using KeyService.Tests.Alarms;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Audit;

/// <summary>Checkpoints given to a directory, a webhook and a real witness: what arrives, what fails, and how it mends.</summary>
public sealed class CheckpointPusherTests : IAsyncLifetime
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-pushed-");
    private readonly List<IAsyncDisposable> _servers = [];
    private SignedStore _signed = null!;
    private AlarmServer _alarms = null!;

    public async ValueTask InitializeAsync()
    {
        _signed = await SignedStore.CreateAsync();
        _alarms = new AlarmServer(_signed.Store, _signed.Rows, _signed.Time);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        await _signed.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task A_directory_gets_each_checkpoint_once_and_keeps_it()
    {
        var destination = new CheckpointDirectory("worm", _directory.FullName);
        using var pusher = Pusher(destination);
        for (var round = 0; round < 3; round++)
        {
            var checkpoint = await _signed.SignAsync();
            await pusher.PushAsync(CancellationToken.None);
            await pusher.PushAsync(CancellationToken.None);
            var bytes = await File.ReadAllBytesAsync(destination.PathOf(checkpoint));
            Assert.True(SignedNote.TryParse(bytes, out var note) && _signed.Verifier.Named(checkpoint.Origin).Signed(note!));
            Assert.Equal(checkpoint.ToString(), note!.Text);
        }

        Assert.Equal(3, _directory.GetFiles("*.checkpoint", SearchOption.AllDirectories).Length);
        // Another server finds it there.
        using var second = Pusher(destination);
        await second.PushAsync(CancellationToken.None);
        Assert.Equal(0, _alarms.Told.Raised);
    }

    [Fact]
    public async Task A_directory_that_is_away_raises_an_alarm_gets_the_newest_when_it_is_back_and_ends_the_alarm()
    {
        var path = Path.Combine(_directory.FullName, "mount");
        var destination = new CheckpointDirectory("worm", path);
        using var pusher = Pusher(destination);
        await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        Assert.Equal(1, _alarms.Told.Raised);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("checkpoint-destination of worm", StringComparison.Ordinal) && line.Contains("is not there", StringComparison.Ordinal));

        // Not tried again before its time, and then with the newest.
        Directory.CreateDirectory(path);
        await pusher.PushAsync(CancellationToken.None);
        Assert.Empty(Directory.GetFiles(path, "*", SearchOption.AllDirectories));
        var newest = await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        Assert.True(File.Exists(destination.PathOf(newest)));
        Assert.Equal(1, _alarms.Told.Cleared);
    }

    [Fact]
    public async Task Pauses_between_attempts_grow_from_5_seconds_to_10_minutes()
    {
        var attempts = 0;
        using var pusher = Pusher(new Told(() =>
        {
            attempts++;
            throw new CheckpointPushException("it is away");
        }));
        await _signed.SignAsync();
        var pauses = new List<int>();
        for (var since = 0; pauses.Count < 11; since++)
        {
            var before = attempts;
            await pusher.PushAsync(CancellationToken.None);
            if (attempts > before)
            {
                pauses.Add(since);
                since = 0;
            }

            _signed.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([5, 10, 20, 40, 80, 160, 320, 600, 600, 600], pauses.Skip(1));
    }

    [Fact]
    public async Task One_that_fails_does_not_keep_the_others_from_it()
    {
        var got = 0;
        using var pusher = Pusher(new Told(() => throw new CheckpointPushException("it is away"), "away"), new Told(() => got++, "here"));
        await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        Assert.Equal((1, 1), (got, _alarms.Told.Raised));
    }

    [Fact]
    public async Task What_is_signed_when_the_server_stops_is_pushed_too()
    {
        var destination = new CheckpointDirectory("worm", _directory.FullName);
        using var pusher = Pusher(destination);
        var first = await _signed.SignAsync();
        await pusher.StartAsync(CancellationToken.None);
        while (!File.Exists(destination.PathOf(first)))
        {
            await Task.Delay(10);
        }

        var last = await _signed.SignAsync();
        await pusher.StopAsync(CancellationToken.None);
        Assert.True(File.Exists(destination.PathOf(last)));
    }

    [Fact]
    public async Task Another_checkpoint_of_the_same_size_in_the_directory_is_an_alarm_of_its_own_weight()
    {
        var destination = new CheckpointDirectory("worm", _directory.FullName);
        var checkpoint = await _signed.SignAsync();
        Directory.CreateDirectory(Path.GetDirectoryName(destination.PathOf(checkpoint))!);
        var other = _signed.Sign(checkpoint.Size, new byte[32]).ToArray();
        await File.WriteAllBytesAsync(destination.PathOf(checkpoint), other);
        using var pusher = Pusher(destination);
        await pusher.PushAsync(CancellationToken.None);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("holds another checkpoint", StringComparison.Ordinal) && line.Contains("Critical", StringComparison.Ordinal));
        Assert.Equal(other, await File.ReadAllBytesAsync(destination.PathOf(checkpoint)));
    }

    [Fact]
    public async Task A_webhook_gets_the_note_and_its_status_counts()
    {
        var bodies = new List<(string? Type, byte[] Body)>();
        var status = 200;
        var url = await ListenAsync(application => application.MapPost("/hook", async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            bodies.Add((context.Request.ContentType, body.ToArray()));
            context.Response.StatusCode = status;
        }));
        using var pusher = Pusher(new CheckpointWebhook("hook", new Uri(url, "/hook"), null));
        var checkpoint = await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        var (type, posted) = Assert.Single(bodies);
        Assert.Equal("text/plain; charset=utf-8", type);
        Assert.True(SignedNote.TryParse(posted, out var note) && note!.Text == checkpoint.ToString());
        Assert.Equal(0, _alarms.Told.Raised);

        status = 302;
        await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("the receiver answered 302", StringComparison.Ordinal));
        status = 204;
        _signed.Time.Advance(TimeSpan.FromSeconds(5));
        await pusher.PushAsync(CancellationToken.None);
        Assert.Equal((3, 1), (bodies.Count, _alarms.Told.Cleared));
    }

    [Fact]
    public async Task Nobody_who_answers_is_a_failure_with_a_sentence()
    {
        using var pusher = Pusher(
            new CheckpointWebhook("dead", new Uri("http://127.0.0.1:1/hook"), null),
            new CheckpointWebhook("ca", new Uri("https://127.0.0.1:1/hook"), Path.Combine(_directory.FullName, "no-ca.pem")));
        await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("of dead", StringComparison.Ordinal) && line.Contains("cannot be reached", StringComparison.Ordinal));
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("of ca", StringComparison.Ordinal) && line.Contains("no-ca.pem", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_witness_cosigns_each_checkpoint_and_its_lines_are_kept_with_the_next()
    {
        await using var witness = await StartWitnessAsync();
        using var pusher = Pusher(witness.Destination);
        var sizes = new List<long>();
        for (var round = 0; round < 4; round++)
        {
            sizes.Add((await _signed.SignAsync(records: 2 + (7 * round))).Size);
            await pusher.PushAsync(CancellationToken.None);
            Assert.Equal(sizes[^1], witness.State.LatestOf((await _signed.NewestAsync()).Origin)!.Size);
        }

        Assert.Equal(0, _alarms.Told.Raised);
        // The last one waits in memory, the others stand in the store; both are given out.
        Assert.Equal(sizes[..^1], Sizes());
        var (size, bytes) = (await _signed.Cosignatures.WitnessedAsync(long.MaxValue, CancellationToken.None))!.Value;
        Assert.Equal(sizes[^1], size);
        Assert.True(SignedNote.TryParse(bytes, out var note) && witness.Verifier.Signed(note!) && _signed.Verifier.Named(witness.Origin).Signed(note!));

        // A server that died lost it, and gets it again.
        await _signed.RestartAsync();
        Assert.Equal(sizes[^2], (await _signed.Cosignatures.WitnessedAsync(long.MaxValue, CancellationToken.None))!.Value.Size);
        using var next = Pusher(new CheckpointWitness("witness", witness.Url, witness.Verifier, null));
        await next.PushAsync(CancellationToken.None);
        Assert.Equal(sizes[^1], (await _signed.Cosignatures.WitnessedAsync(long.MaxValue, CancellationToken.None))!.Value.Size);
        await _signed.SignAsync();
        await next.PushAsync(CancellationToken.None);
        Assert.Equal(sizes, Sizes());

        IEnumerable<long> Sizes() => Enumerable.Range(0, (int)_signed.File.Ask<long>("SELECT count(*) FROM audit_cosignatures"))
            .Select(i => _signed.File.Ask<long>($"SELECT size FROM audit_cosignatures ORDER BY size LIMIT 1 OFFSET {i}"));
    }

    [Fact]
    public async Task Proofs_carry_the_witnesses_word()
    {
        await using var witness = await StartWitnessAsync();
        using var pusher = Pusher(witness.Destination);
        await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        await _signed.SignAsync();
        Assert.True(WitnessPolicy.TryParse(System.Text.Encoding.ASCII.GetBytes($"witness w {witness.Verifier}\nquorum w\n"), out var policy, out _));
        var (record, directory) = (await new RecordProving(_signed.Store, _signed.Rows, _signed.Cosignatures).ProveAsync(0, 1, CancellationToken.None))!.Value;
        Assert.True(RecordProof.TryVerify(record, directory, [_signed.Verifier], policy, out var proof, out var fault), fault);
        Assert.NotNull(proof!.WitnessTime);
        // What came after the last cosigned checkpoint has only the log's own word.
        var last = _signed.Store.LastSequence - 3;
        (record, directory) = (await new RecordProving(_signed.Store, _signed.Rows, _signed.Cosignatures).ProveAsync(0, last, CancellationToken.None))!.Value;
        Assert.True(RecordProof.TryVerify(record, directory, [_signed.Verifier], null, out _, out _));
        Assert.False(RecordProof.TryVerify(record, directory, [_signed.Verifier], policy, out _, out _));
    }

    [Fact]
    public async Task A_witness_that_saw_more_or_another_history_is_a_critical_alarm()
    {
        await using var witness = await StartWitnessAsync();
        var checkpoint = await _signed.SignAsync();
        // Whoever holds the HSM had it cosign a longer log.
        witness.Add(new WitnessRequest(0, [], _signed.Sign(checkpoint.Size + 5, new byte[32])));
        using var pusher = Pusher(witness.Destination);
        await pusher.PushAsync(CancellationToken.None);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("the database was put back", StringComparison.Ordinal) && line.Contains("Critical", StringComparison.Ordinal));

        for (checkpoint = await _signed.SignAsync(); checkpoint.Size < 12;)
        {
            checkpoint = await _signed.SignAsync();
        }

        using var second = Pusher(new CheckpointWitness("second", witness.Url, witness.Verifier, null));
        await second.PushAsync(CancellationToken.None);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("does not go on from what it cosigned", StringComparison.Ordinal));
        Assert.Equal(0, _alarms.Told.Cleared);
    }

    [Fact]
    public async Task A_witness_with_another_key_is_not_believed()
    {
        await using var witness = await StartWitnessAsync();
        await using var other = await StartWitnessAsync();
        using var pusher = Pusher(new CheckpointWitness("witness", witness.Url, other.Verifier, null));
        await _signed.SignAsync();
        await pusher.PushAsync(CancellationToken.None);
        Assert.Contains(_alarms.Told.Lines, line => line.Contains("without a valid cosignature of the key", StringComparison.Ordinal));
        Assert.Null(await _signed.Cosignatures.WitnessedAsync(long.MaxValue, CancellationToken.None));
    }

    [Fact]
    public async Task Proofs_between_any_two_sizes_are_those_of_the_tree()
    {
        Checkpoint newest = null!;
        for (var round = 0; round < 12; round++)
        {
            newest = await _signed.SignAsync(1);
        }

        var tree = new MerkleTree();
        await foreach (var page in new LogExport(_signed.Store, SignedLog.Directory).LeafHashesAsync(0, newest.Size, CancellationToken.None))
        {
            foreach (var leaf in page)
            {
                tree.Append(leaf);
            }
        }

        var proofs = new CheckpointProofs(_signed.Store);
        for (var size = 1L; size <= newest.Size; size++)
        {
            for (var old = 0L; old <= size; old++)
            {
                Assert.Equal(MerkleProof.Consistency(old, size, tree.Node), await proofs.ProveAsync(old, size, CancellationToken.None));
            }
        }
    }

    private CheckpointPusher Pusher(params ICheckpointDestination[] destinations) => new(
        destinations, _signed.Store, _signed.Cosignatures, _alarms.Outlet, _signed.Time, NullLogger<CheckpointPusher>.Instance);

    private async Task<RunningWitness> StartWitnessAsync()
    {
        var folder = _directory.CreateSubdirectory(Guid.NewGuid().ToString("N")).FullName;
        WitnessKey.Create(Path.Combine(folder, "key"));
        var origin = LogNames.Of(new byte[16]).Directory;
        var configuration = new WitnessConfiguration(
            "witness.example/w", new IPEndPoint(IPAddress.Loopback, 0), null, null, Path.Combine(folder, "key"), Path.Combine(folder, "state"),
            new Dictionary<string, IReadOnlyList<NoteVerifier>> { [origin] = [_signed.Verifier.Named(origin)] });
        var key = WitnessKey.Open(configuration.KeyFile, configuration.Name);
        var state = WitnessState.Open(configuration.StateDirectory, key.Verifier);
        var application = WitnessHost.Build(configuration, key, state, _signed.Time);
        await application.StartAsync();
        return new RunningWitness(configuration, key, state, application, _signed.Time);
    }

    private async Task<Uri> ListenAsync(Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        map(application);
        await application.StartAsync();
        _servers.Add(application);
        return new Uri(application.Urls.Single());
    }

    private sealed class RunningWitness(WitnessConfiguration configuration, WitnessKey key, WitnessState state, WebApplication application, TimeProvider time) : IAsyncDisposable
    {
        public WitnessState State => state;

        public NoteVerifier Verifier => key.Verifier;

        public Uri Url { get; } = new(application.Urls.Single());

        public string Origin => configuration.Logs.Keys.Single();

        public CheckpointWitness Destination => new("witness", Url, key.Verifier, null);

        public void Add(WitnessRequest request) =>
            Assert.Equal(200, new WitnessDesk(configuration.Logs, key, state, time, NullLogger<WitnessDesk>.Instance).Add(request.ToArray()).Status);

        public async ValueTask DisposeAsync()
        {
            await application.DisposeAsync();
            state.Dispose();
            key.Dispose();
        }
    }

    private sealed class Told(Action work, string name = "told") : ICheckpointDestination
    {
        public string Name => name;

        public Task<IReadOnlyList<NoteSignature>> PushAsync(PushedCheckpoint checkpoint, CancellationToken cancellationToken)
        {
            work();
            return Task.FromResult<IReadOnlyList<NoteSignature>>([]);
        }
    }
}
