using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.BreakGlass;
using KeyService.Server.Places;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.Storage;

/// <summary>What people's access keeps, in PostgreSQL, with two servers on one database.</summary>
public sealed class PostgresSessionTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();

    private SecondFactors Factors => new(_rows, new SeedVault(_rows, new byte[16]));

    [Fact]
    public async Task Two_servers_take_a_code_once_between_them()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var one = PostgresStore.Open(database.Options, _time);
        await using var other = PostgresStore.Open(database.Options, _time);
        await SoftwareRows.InstallAsync(one, _rows);
        var seed = await ActiveAsync(one);
        for (var round = 0; round < 10; round++)
        {
            _time.Advance(OneTimePassword.Step);
            var code = OneTimePassword.CodeAt(seed, OneTimePassword.StepOf(_time.GetUtcNow()));
            var verdicts = await Task.WhenAll(CheckAsync(one, code), CheckAsync(other, code));
            Assert.Equal([CodeVerdict.Right, CodeVerdict.Wrong], verdicts.Order());
            // The one that came too late counted; the next right one forgets it.
        }
    }

    [Fact]
    public async Task Guesses_at_two_servers_are_counted_together()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var one = PostgresStore.Open(database.Options, _time);
        await using var other = PostgresStore.Open(database.Options, _time);
        await SoftwareRows.InstallAsync(one, _rows);
        var seed = await ActiveAsync(one);
        var right = Enumerable.Range(-1, 3).Select(later => OneTimePassword.CodeAt(seed, OneTimePassword.StepOf(_time.GetUtcNow()) + later)).ToList();
        var wrong = Enumerable.Range(0, 4).First(code => !right.Contains(code));
        var verdicts = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => CheckAsync(i % 2 == 0 ? one : other, wrong)));
        Assert.Equal(2, verdicts.Count(verdict => verdict == CodeVerdict.Wrong));
        Assert.Single(verdicts, CodeVerdict.Locks);
        Assert.Equal(17, verdicts.Count(verdict => verdict == CodeVerdict.Locked));
    }

    [Fact]
    public async Task Rows_of_people_places_and_emergencies_are_kept_and_read_back()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var store = PostgresStore.Open(database.Options, _time);
        await SoftwareRows.InstallAsync(store, _rows);
        var session = new PersonSession
        {
            TokenHash = Convert.ToHexStringLower(SHA256.HashData("token"u8)), Principal = "ada", Binding = "key:00", OpenTime = _time.GetUtcNow(), LastUseTime = _time.GetUtcNow(),
            ProofTime = _time.GetUtcNow(), EndTime = null, End = null, EndedBy = null, Revision = 1,
        };
        var policy = new PlacePolicy { Principal = "ada", Most = 2, Window = TimeSpan.FromHours(1), Ipv4Prefix = 24, Ipv6Prefix = 56, Revision = 1 };
        var use = new BreakGlassUse
        {
            Id = AccessAdministration.NewId(), Principal = "ada", Reason = "fire", Sealed = false, Binding = "", State = BreakGlassState.Open, AskTime = _time.GetUtcNow(),
            ConfirmedBy = "ben", OpenTime = _time.GetUtcNow(), EndTime = _time.GetUtcNow().AddHours(1), ReviewedBy = null, ReviewTime = null, Verdict = null, Note = null, Revision = 1,
        };
        var (sessions, places, uses, envelopes) = (new SessionTable(_rows), new PlaceTables(_rows), new BreakGlassTable(_rows), new EnvelopeTable(_rows));
        await ChangeAsync(store, async transaction =>
        {
            await sessions.WriteAsync(transaction, session);
            await places.WriteAsync(transaction, policy);
            await places.WriteAsync(transaction, new SeenPlace("ada", "192.0.2.0/24", _time.GetUtcNow(), _time.GetUtcNow(), 1));
            await uses.WriteAsync(transaction, use);
            await envelopes.WriteAsync(transaction, new SealedEnvelopes
            {
                Id = 7, MadeBy = "cyd", MakeTime = _time.GetUtcNow(), First = new byte[48], Second = new byte[48], WrongAttempts = 0, EndTime = null, Revision = 1,
            });
        });
        await ChangeAsync(store, async transaction =>
        {
            Assert.Equal(1, await sessions.EndAllAsync(transaction, "ada", SessionEnd.Locked, by: null));
            await places.WriteAsync(transaction, policy with { Most = 3, Revision = 2 });
            var seen = await places.FindSeenAsync(transaction, "ada", "192.0.2.0/24");
            await places.WriteAsync(transaction, seen! with { LastSeen = seen.LastSeen.AddMinutes(1), Revision = 2 });
            await uses.WriteAsync(transaction, use with { State = BreakGlassState.Ended, Revision = 2 });
        });

        var none = CancellationToken.None;
        Assert.Equal(SessionEnd.Locked, (await store.ReadAsync(connection => sessions.FindAsync(connection, null, session.TokenHash, none), none))!.End);
        Assert.Equal(3, Assert.Single(await store.ReadAsync(connection => places.ListPoliciesAsync(connection, none), none)).Most);
        Assert.Single(await store.ReadAsync(connection => places.ListSeenAsync(connection, null, "ada", _time.GetUtcNow(), none), none));
        Assert.Equal(use with { State = BreakGlassState.Ended, Revision = 2 }, Assert.Single(await store.ReadAsync(connection => uses.ListAsync(connection, null, none), none)));
        Assert.Equal("cyd", (await store.ReadAsync(connection => envelopes.FindUsableAsync(connection, null, none), none))!.MadeBy);
    }

    private async Task<byte[]> ActiveAsync(PostgresStore store)
    {
        var seed = RandomNumberGenerator.GetBytes(OneTimePassword.SeedLength);
        await ChangeAsync(store, transaction => Factors.OfferAsync(transaction, "ada", seed));
        var code = OneTimePassword.CodeAt(seed, OneTimePassword.StepOf(_time.GetUtcNow()) - 1);
        await ChangeAsync(store, async transaction => Assert.Equal(CodeVerdict.Right, await Factors.CheckAsync(transaction, "ada", SecondFactorState.Offered, code)));
        return seed;
    }

    private async Task<CodeVerdict> CheckAsync(PostgresStore store, int code)
    {
        var verdict = CodeVerdict.Wrong;
        await ChangeAsync(store, async transaction => verdict = await Factors.CheckAsync(transaction, "ada", SecondFactorState.Active, code));
        return verdict;
    }

    private static Task ChangeAsync(PostgresStore store, Func<IStoreTransaction, Task> change) =>
        store.CommitAsync(new AuditRecordDraft(AuditEvent.SessionOpened), change, CancellationToken.None);
}
