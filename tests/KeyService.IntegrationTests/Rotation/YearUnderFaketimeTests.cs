using System.Diagnostics;
using System.Security.Authentication;
using Dapper;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>
/// The year of <see cref="YearOfRotationTests"/> with real servers: three processes on one PostgreSQL database and one token, whose clock libfaketime
/// moves by a day as often as they look at it. They are killed at random, once all of them are gone for weeks and once their clock jumps; for a month nobody
/// rotates, because the server that has the role hangs. Certificates are renewed in time by the operator's script.
/// </summary>
/// <remarks>Two seconds a day, because a server looks at its clock every two seconds and a longer step would be a jump to it.</remarks>
public sealed class YearUnderFaketimeTests(PostgresFixture postgres, ITestOutputHelper output) : IClassFixture<PostgresFixture>, IAsyncDisposable
{
    private const int Keys = 200;
    private const int Servers = 3;
    private const int KillEvery = 5;
    private const int RenewEvery = 14;
    private static readonly TimeSpan Year = TimeSpan.FromDays(400);

    // Less than the day that a clock may go forward at once without being told of as a jump.
    private static readonly TimeSpan Step = TimeSpan.FromDays(1) - TimeSpan.FromMinutes(10);

    // From before the third rotation of 90 days until past the 95 days that some have at most.
    private static readonly (TimeSpan From, TimeSpan To) NobodyRotates = (TimeSpan.FromDays(270), TimeSpan.FromDays(300));

    private static readonly (TimeSpan At, TimeSpan By, bool Jump)[] Leaps =
    [
        (TimeSpan.FromDays(40), TimeSpan.FromDays(20), false),
        (TimeSpan.FromDays(85), TimeSpan.FromDays(25), false), // past the 95 days of some
        (TimeSpan.FromDays(170), TimeSpan.FromDays(25), true), // past the 180 days of others
    ];

    private static readonly (int Period, int Limit)[] Policies = [(90, 180), (90, 95), (120, 180), (180, 180)];

    private readonly Random _random = new(20261128);
    private readonly ServiceFixture _service = new();
    private readonly List<YearServer> _servers = [];
    private readonly List<GrpcChannel> _overseers = [];
    private readonly Dictionary<YearServer, int> _backIn = [];
    private readonly List<string> _names = [.. Enumerable.Range(0, Keys).Select(each => $"year/{each:000}")];
    private MovedClock _clock = null!;
    private YearCallers _callers = null!;
    private DateTimeOffset _begun;
    private YearServer? _hanging;
    private bool _hung;
    private string _certificate = "";
    private string _database = "";
    private int _steps, _kills, _overdueSeen, _renewals;

    private TimeSpan Age => _clock.Least - _begun;

    public async ValueTask DisposeAsync()
    {
        _overseers.ForEach(each => each.Dispose());
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        await _service.DisposeAsync();
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task Two_hundred_keys_live_four_hundred_days_on_three_servers_that_are_killed_at_random()
    {
        await BeginAsync();
        var begun = Stopwatch.GetTimestamp();
        var leaps = new Queue<(TimeSpan At, TimeSpan By, bool Jump)>(Leaps);
        while (Age < Year)
        {
            if (!_hung && Age >= NobodyRotates.From)
            {
                await HangAsync();
            }
            else if (_hanging is not null && Age >= NobodyRotates.To)
            {
                await KillAsync(_hanging);
                _hanging = null;
            }

            if (leaps.TryPeek(out var leap) && Age >= leap.At)
            {
                leaps.Dequeue();
                await LeapAsync(leap.By, leap.Jump);
            }
            else
            {
                await StepAsync(Step, _random.Next(KillEvery) == 0);
            }

            if (_steps % 50 == 0)
            {
                output.WriteLine($"day {Age.TotalDays:0}: {Stopwatch.GetElapsedTime(begun).TotalSeconds:0} s, {_kills} kills, {_callers.Answers.Count} answers");
            }
        }

        var passed = Stopwatch.GetElapsedTime(begun);
        await StartAnewAsync();
        var opening = Stopwatch.GetTimestamp();
        var pieces = 0;
        foreach (var server in _servers)
        {
            pieces = await _callers.OpenAsync(server);
        }

        var refusals = _callers.Answers.OfType<YearRefusal>().ToList();
        output.WriteLine(
            $"{Age.TotalDays:0} days in {passed.TotalSeconds:0} s and {_steps} steps: {_kills} kills, {_callers.CutOff} calls cut off, {_renewals} renewals of certificates, "
            + $"{refusals.Count} refusals of {refusals.Select(each => each.Key).Distinct().Count()} keys, "
            + $"{_overdueSeen} keys listed as overdue while nobody rotated; {pieces} pieces opened by each of {Servers} servers in {Stopwatch.GetElapsedTime(opening).TotalSeconds:0} s");
        await JudgeAsync();
        await JudgeAlarmsAsync();
        JudgeLogs();
        Assert.True(_kills > 30, $"{_kills} kills");
        Assert.True(_overdueSeen > 100, $"{_overdueSeen} keys were overdue in the month without rotation.");
        Assert.True(_renewals > 0, "No certificate was renewed in more than a year.");
        (await Executables.RunServerAsync(["doctor", "--config", _servers[0].Config], _service.ServerEnvironment)).ExpectExit(0);
    }

    private async Task BeginAsync()
    {
        Infrastructure.RequireSoftHsm();
        _clock = new MovedClock(_service.Directory);
        foreach (var (name, value) in _clock.Environment)
        {
            _service.Environment[name] = value;
        }

        var database = _database = await postgres.CreateDatabaseAsync("year");
        await using (var connection = await postgres.OpenAsync())
        {
            await connection.ExecuteAsync("CREATE ROLE year LOGIN; CREATE ROLE year_owner LOGIN; ALTER DATABASE " + database + " OWNER TO year_owner");
        }

        void Configure(Dictionary<string, object?> all)
        {
            all["store"] = new Dictionary<string, object?>
            {
                ["postgres"] = new Dictionary<string, object?>
                {
                    ["host"] = postgres.SocketDirectory, ["database"] = database, ["user"] = "year", ["poolSize"] = 8,
                },
            };
            // A day here is two seconds: what is due in it is looked for and done in it.
            all["rotation"] = new Dictionary<string, object?> { ["lookSeconds"] = 1, ["perMinute"] = 12_000 };
        }

        _service.Configure = Configure;
        _service.InitArguments = ["--owner", "year_owner"];
        await _service.InitializeAsync();
        await _service.RegisterUnixUserAsync("caller");
        await CreateKeysAsync();
        await _service.StopAsync();
        for (var i = 0; i < Servers; i++)
        {
            _servers.Add(MakeServer($"server-{i}", Configure));
        }

        await ReturnAsync(_servers);
        _callers = new YearCallers(_servers, _names, _clock);
        _begun = _clock.Least;
        await RenewCertificatesAsync();
    }

    // As a step of the clock, but much further: nobody is there meanwhile, or all are and their clock jumps.
    private async Task LeapAsync(TimeSpan by, bool jump)
    {
        if (jump)
        {
            await ReturnAsync(_backIn.Keys);
            await StepAsync(by, kill: false);
            Assert.All(_servers, each => Assert.Contains("The clock jumped forward by more than a day", each.Log, StringComparison.Ordinal));
            return;
        }

        foreach (var server in _servers.Where(each => each.Answers).ToList())
        {
            await KillAsync(server);
        }

        foreach (var server in _servers)
        {
            _backIn[server] = 0;
        }

        await StepAsync(by, kill: false);
    }

    private async Task StepAsync(TimeSpan by, bool kill)
    {
        _clock.Move(by);
        var moved = DateTime.UtcNow;
        _steps++;
        var back = ReturnAsync(_backIn.Keys.Where(each => _backIn[each]-- <= 0));
        if (!_servers.Exists(each => each.Answers))
        {
            await back;
        }

        var turns = Enumerable.Range(0, Keys).Select(key => (Key: key, Server: _random.Next(Servers))).ToArray();
        _random.Shuffle(turns);
        var early = _random.Next(2) == 0;
        var first = _callers.AskAsync(turns[..(Keys / 2)]);
        if (kill && early)
        {
            await KillSomeoneAsync();
        }

        var refused = (await first).ToList();
        await back;
        var second = _callers.AskAsync(turns[(Keys / 2)..]);
        if (kill && !early)
        {
            await KillSomeoneAsync();
        }

        refused.AddRange(await second);
        await Task.WhenAll(_servers.Select(each => each.LookedAsync(moved)));
        if (_steps % RenewEvery == 0)
        {
            await RenewCertificatesAsync();
        }

        if (_hanging is null)
        {
            Assert.Equal(Keys, (await OverseeAsync(async rotation => await rotation.GetRotationStatusAsync(new GetRotationStatusRequest()))).Keys);
        }
        else
        {
            // Nothing changes here but the time: each key either protects or is refused and is listed so.
            var ages = await OverseeAsync(async rotation => await rotation.ListKeyAgesAsync(new ListKeyAgesRequest { PageSize = 1000 }));
            var overdue = ages.Keys.Where(each => each.Standing == KeyAgeStanding.Overdue).Select(each => each.Name).ToList();
            Assert.Equal(Keys, ages.Keys.Count);
            Assert.Equal(overdue.Order(), refused.Select(each => _names[each]).Order());
            _overdueSeen += overdue.Count;
        }
    }

    private async Task KillSomeoneAsync()
    {
        var candidates = _servers.Where(each => each.Answers).ToList();
        await Task.Delay(_random.Next(100));
        if (candidates.Count > 1)
        {
            await KillAsync(candidates[_random.Next(candidates.Count)]);
        }
    }

    private async Task KillAsync(YearServer server)
    {
        _backIn[server] = _random.Next(3);
        _kills++;
        await server.KillAsync();
    }

    // One after another: SoftHSM writes the token's file at each login, and a server that opens it in that moment finds no token.
    private async Task ReturnAsync(IEnumerable<YearServer> servers)
    {
        var returning = servers.ToList();
        returning.ForEach(each => _backIn.Remove(each));
        foreach (var server in returning)
        {
            await server.StartAsync();
        }
    }

    // The server that rotates hangs; its session of the database stays, and with it the role.
    private async Task HangAsync()
    {
        _hung = true;
        await ReturnAsync(_backIn.Keys);
        await Until.TrueAsync(
            async () =>
            {
                foreach (var server in _servers)
                {
                    if ((await server.Rotation.GetRotationStatusAsync(new GetRotationStatusRequest())) is { RotatesHere: true, Due: 0, ToPrepare: 0 })
                    {
                        _hanging = server;
                    }
                }

                return _hanging is not null;
            },
            "a server that rotates and is through");
        _hanging!.Freeze();
    }

    // Whatever was not rotated is, and then all servers begin with nothing in memory.
    private async Task StartAnewAsync()
    {
        await ReturnAsync(_backIn.Keys);
        await Until.TrueAsync(
            async () => await _servers[0].Rotation.GetRotationStatusAsync(new GetRotationStatusRequest()) is { Due: 0, ToPrepare: 0 }, "all rotations");
        await Task.WhenAll(_servers.Select(KillAsync));
        await ReturnAsync(_servers);
    }

    // Asks a server over mutual TLS. It takes a moment to read renewed certificates, and until then its own is of the old CA.
    private async Task<T> OverseeAsync<T>(Func<Protocol.V1.Rotation.RotationClient, Task<T>> ask)
    {
        var answering = Enumerable.Range(0, Servers).Where(each => _servers[each].Answers).ToList();
        var client = new Protocol.V1.Rotation.RotationClient(_overseers[answering[_random.Next(answering.Count)]]);
        T answer = default!;
        await Until.TrueAsync(
            async () =>
            {
                try
                {
                    answer = await ask(client);
                    return true;
                }
                catch (RpcException failure) when (failure.StatusCode == StatusCode.Unavailable || failure.GetBaseException() is AuthenticationException)
                {
                    return false;
                }
            },
            "an answer over TLS");
        return answer;
    }

    // What the operator's timer does: the script makes anew what ends within 30 days.
    private async Task RenewCertificatesAsync()
    {
        var pki = Path.Combine(Infrastructure.RepositoryRoot, "dev/pki.sh");
        (await Command.RunAsync(pki, [Path.Combine(_service.Directory, "pki")], _clock.Environment)).ExpectExit(0);
        var certificate = await File.ReadAllTextAsync(_service.Backup.CertificatePath);
        if (certificate == _certificate)
        {
            return;
        }

        _renewals += _certificate.Length > 0 ? 1 : 0;
        _certificate = certificate;
        _overseers.ForEach(each => each.Dispose());
        _overseers.Clear();
        _overseers.AddRange(_servers.Select(each => GrpcClients.Connect(
            each.Endpoint, _service.CaPath, _service.Backup.CertificatePath, _service.Backup.KeyPath, _clock.Least.UtcDateTime)));
    }

    // Each answer against the history of its key: nothing was protected under a version past its limit, nobody was refused while one was within it.
    private async Task JudgeAsync()
    {
        // A server that did not rotate hears of it within a second; the clock may have gone a step meanwhile.
        var hearing = Step + TimeSpan.FromSeconds(5);
        var margin = TimeSpan.FromHours(1); // a rotation is planned so long before a limit that is the period
        var late = NobodyRotates.To - NobodyRotates.From + TimeSpan.FromDays(3);
        var answers = _callers.Answers.ToLookup(each => each.Key);
        for (var key = 0; key < Keys; key++)
        {
            var policy = Policies[key % Policies.Length];
            var (period, limit) = (TimeSpan.FromDays(policy.Period), TimeSpan.FromDays(policy.Limit));
            var listed = (await _servers[0].Keys.ListKeyVersionsAsync(new ListKeyVersionsRequest { Name = _names[key] })).Versions;
            Assert.Equal(2, listed.Count(each => each.State == KeyState.PreActivation));
            var lives = listed.Where(each => each.ActivateTime is not null).OrderBy(each => each.ActivateTime)
                .Select(each => (each.Id, From: each.ActivateTime.ToDateTimeOffset(), To: each.DeactivateTime?.ToDateTimeOffset() ?? DateTimeOffset.MaxValue))
                .ToList();
            Assert.All(lives.Zip(lives.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
            Assert.All(lives.SkipLast(1), life => Assert.InRange(life.To - life.From, period - margin, period + late));
            Assert.InRange(_clock.Least - lives[^1].From, TimeSpan.Zero, period);
            foreach (var answer in answers[key])
            {
                if (answer is YearProtection protection)
                {
                    var life = lives.Single(each => each.Id == protection.Version);
                    Assert.True(
                        answer.Most >= life.From && answer.Least <= life.From + limit && answer.Least <= Plus(life.To, hearing),
                        $"{_names[key]} protected at {answer.Least:u} under {life}");
                }
                else
                {
                    Assert.True(
                        lives.Exists(life => answer.Most > life.From + limit && answer.Least <= Plus(life.To, hearing)),
                        $"{_names[key]} was refused at {answer.Least:u}, with {string.Join(", ", lives)}");
                }
            }

            Assert.Contains(answers[key], each => each is YearProtection);
        }

        static DateTimeOffset Plus(DateTimeOffset time, TimeSpan by) => time == DateTimeOffset.MaxValue ? time : time + by;
    }

    // While the server hung that rotates, the others told of the keys that it left, and took it back when they were rotated.
    private async Task JudgeAlarmsAsync()
    {
        await using var connection = await postgres.OpenAsync(_database);
        var aging = (await connection.QueryAsync<(string Subject, long? ClearedAt)>(
            "SELECT subject, cleared_at FROM keyservice.alarms WHERE kind = @kind", new { kind = (long)Server.Alarms.AlarmKind.KeyAging })).ToList();
        Assert.Superset(
            Enumerable.Range(0, Keys).Where(each => Policies[each % Policies.Length].Limit == 95).Select(each => _names[each]).ToHashSet(),
            aging.Select(each => each.Subject).ToHashSet());
        Assert.All(aging, each => Assert.NotNull(each.ClearedAt));
    }

    private void JudgeLogs()
    {
        var lines = _servers.SelectMany(each => each.Log.Split('\n')).ToList();
        // No server found its clock set back, or the changes of another out of order; of jumps only the one that was.
        Assert.Equal(Servers, lines.Count(each => each.Contains("The clock jumped forward", StringComparison.Ordinal)));
        Assert.DoesNotContain(lines, each => each.Contains("before the latest time that was seen", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, each => each.Contains("not in order", StringComparison.Ordinal));
    }

    private YearServer MakeServer(string name, Action<Dictionary<string, object?>> configure)
    {
        var port = ServiceFixture.FreePort();
        var config = _service.WriteConfig(
            all =>
            {
                configure(all);
                all["dataDirectory"] = name;
                all["listen"] = new Dictionary<string, object?> { ["tcp"] = $"127.0.0.1:{port}", ["unixSocket"] = $"{name}.sock" };
            },
            $"{name}.json");
        var directory = _service.Directory;
        return new YearServer(
            config, Path.Combine(directory, $"{name}.sock"), port, Path.Combine(directory, name, "store-seen"), _service.ServerEnvironment);
    }

    private async Task CreateKeysAsync()
    {
        using var channel = _service.ConnectAs("administrator");
        var keys = new Protocol.V1.Keys.KeysClient(channel);
        foreach (var (index, name) in _names.Index())
        {
            var (period, limit) = Policies[index % Policies.Length];
            await keys.CreateKeyAsync(new CreateKeyRequest
            {
                RequestId = $"{Guid.NewGuid()}", Name = name, Purpose = KeyPurpose.EncryptDecrypt,
                Rotation = new RotationPolicy
                {
                    Period = Duration.FromTimeSpan(TimeSpan.FromDays(period)), Limit = Duration.FromTimeSpan(TimeSpan.FromDays(limit)),
                },
            });
        }
    }
}
