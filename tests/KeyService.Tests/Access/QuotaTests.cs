using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Credential = KeyService.Server.Access.Credential;
using Grant = KeyService.Server.Access.Grant;
using PrincipalType = KeyService.Server.Access.PrincipalType;
using Quota = KeyService.Crypto.Quota;
using QuotaMeasure = KeyService.Crypto.QuotaMeasure;
using QuotaWindow = KeyService.Crypto.QuotaWindow;

namespace KeyService.Tests.Access;

/// <summary>Quotas are reserved in the store before anything passes: never more than the limit, over servers and restarts.</summary>
public sealed class QuotaTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly List<QuotaBook> _books = [];
    private SqliteStore _store = null!;
    private AccessRegister _register = null!;
    private AccessAdministration _administration = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _register = await AccessRegister.LoadAsync(_store, _rows, _time, CancellationToken.None);
        _administration = new AccessAdministration(_register, _rows, _time);
        await ChangeAsync(transaction => _administration.CreatePrincipalAsync(transaction, "ehr", PrincipalType.Service, Credential.OfUid(2000)));
    }

    public async ValueTask DisposeAsync()
    {
        _books.ForEach(book => book.Dispose());
        _administration.Dispose();
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task As_much_passes_as_the_limit_and_no_more_until_the_window_ends()
    {
        var grant = await GrantAsync(new Quota(QuotaMeasure.Items, QuotaWindow.Hour, 1000));
        var book = Book();
        for (var i = 0; i < 10; i++)
        {
            await book.TakeAsync(grant, 1, 100, 5);
        }

        var refusal = await Assert.ThrowsAsync<Refusal>(() => book.TakeAsync(grant, 1, 1, 5).AsTask());
        Assert.Equal(Reason.QuotaExhausted, refusal.Reason);
        Assert.Equal(new Quota(QuotaMeasure.Items, QuotaWindow.Hour, 1).WindowEnd(_time.GetUtcNow()) - _time.GetUtcNow(), refusal.RetryAfter);
        Assert.Equal(grant.Id, book.FindSpent(grant)?.Grant.Id);

        _time.Advance(refusal.RetryAfter!.Value);
        Assert.Null(book.FindSpent(grant));
        await book.TakeAsync(grant, 1, 1000, 5);
    }

    [Fact]
    public async Task What_is_too_large_is_refused_whole_and_counts_nothing()
    {
        var grant = await GrantAsync(new Quota(QuotaMeasure.Calls, QuotaWindow.Day, 5), new Quota(QuotaMeasure.Bytes, QuotaWindow.Day, 100));
        var book = Book();
        await book.TakeAsync(grant, 1, 1, 60);
        await Assert.ThrowsAsync<Refusal>(() => book.TakeAsync(grant, 1, 1, 60).AsTask());
        await book.TakeAsync(grant, 1, 1, 40);
        for (var call = 0; call < 3; call++)
        {
            await book.TakeAsync(grant, 1, 1, 0);
        }

        await Assert.ThrowsAsync<Refusal>(() => book.TakeAsync(grant, 1, 1, 0).AsTask());
    }

    [Fact]
    public async Task Over_servers_and_restarts_never_more_than_the_limit_passes_and_little_less()
    {
        var grant = await GrantAsync(new Quota(QuotaMeasure.Calls, QuotaWindow.Day, 640));
        var passed = 0;
        var books = new[] { Book(), Book(), Book() };
        for (var i = 0; i < 2000; i++)
        {
            try
            {
                await books[i % 3].TakeAsync(grant, 1, 1, 0);
                passed++;
            }
            catch (Refusal)
            {
                // The limit.
            }

            if (i == 300)
            {
                // A server ends with a block that it did not use.
                books[0] = Book();
            }
        }

        Assert.InRange(passed, 640 - 10, 640);
    }

    [Fact]
    public async Task Calls_at_the_same_time_do_not_pass_the_limit_together()
    {
        var grant = await GrantAsync(new Quota(QuotaMeasure.Calls, QuotaWindow.Day, 100));
        var book = Book();
        var calls = Enumerable.Range(0, 300).Select(_ => Task.Run(() => book.TakeAsync(grant, 1, 1, 0).AsTask())).ToArray();
        await Task.WhenAll(calls.Select(call => call.ContinueWith(_ => { }, TaskScheduler.Default)));
        Assert.Equal(100, calls.Count(call => call.IsCompletedSuccessfully));
    }

    [Fact]
    public async Task A_count_that_somebody_lowered_is_found()
    {
        var grant = await GrantAsync(new Quota(QuotaMeasure.Calls, QuotaWindow.Day, 1));
        await Book().TakeAsync(grant, 1, 1, 0);
        _file.Edit("UPDATE quota_counts SET reserved = 0");
        await Assert.ThrowsAsync<StoreTamperedException>(() => Book().TakeAsync(grant, 1, 1, 0).AsTask());
    }

    [Fact]
    public async Task A_clock_that_is_set_back_gives_no_window_twice()
    {
        var grant = await GrantAsync(new Quota(QuotaMeasure.Calls, QuotaWindow.Hour, 1));
        await Book().TakeAsync(grant, 1, 1, 0);
        _time.Advance(TimeSpan.FromHours(-2));
        await Assert.ThrowsAsync<Refusal>(() => Book().TakeAsync(grant, 1, 1, 0).AsTask());
    }

    [Fact]
    public async Task A_spent_grant_gives_way_to_another_and_is_said_when_there_is_none()
    {
        var counted = await GrantAsync(new Quota(QuotaMeasure.Calls, QuotaWindow.Day, 1));
        var book = Book();
        _register.Spent = book.FindSpent;
        var ehr = _register.Current.Principals["ehr"];
        Assert.Equal(counted.Id, _register.Decide(ehr, Permission.Encrypt, "ehr", null).Grant?.Id);
        await book.TakeAsync(counted, 1, 1, 0);
        await Assert.ThrowsAsync<Refusal>(() => book.TakeAsync(counted, 1, 1, 0).AsTask());

        var decision = _register.Decide(ehr, Permission.Encrypt, "ehr", null);
        Assert.False(decision.IsAllowed);
        Assert.Equal(counted.Id, decision.SpentQuota?.Grant.Id);
        // Leases and the like are no calls: a quota does not end them.
        Assert.True(_register.Allows(ehr, Permission.Encrypt, "ehr", null));
        var explained = AccessExplanation.Of(_register.Current, "ehr", Permission.Encrypt, "ehr", EncryptionContext.Empty, _time.GetUtcNow(), _register.Separation, _register.Spent);
        Assert.StartsWith("its quota calls/day=1 is used up for another", Assert.Single(Assert.Single(explained.Near).Lacks), StringComparison.Ordinal);

        var unlimited = await GrantAsync();
        Assert.Equal(unlimited.Id, _register.Decide(ehr, Permission.Encrypt, "ehr", null).Grant?.Id);
    }

    [Theory]
    [InlineData("read-key")]
    [InlineData("create-key")]
    public async Task What_uses_no_key_is_granted_without_a_quota(string name)
    {
        Assert.True(Permissions.TryParse(name, out var permission));
        var request = new GrantRequest("ehr", [permission], KeyPattern.All, ContextConstraint.Empty, null) { Quotas = [new Quota(QuotaMeasure.Calls, QuotaWindow.Day, 1)] };
        var refusal = await Assert.ThrowsAsync<Refusal>(() => ChangeAsync(transaction => _administration.CreateGrantAsync(transaction, request)));
        Assert.Equal(Reason.InvalidArgument, refusal.Reason);
    }

    private QuotaBook Book()
    {
        var book = new QuotaBook(_store, _rows, _time);
        _books.Add(book);
        return book;
    }

    private Task<Grant> GrantAsync(params Quota[] quotas) => ChangeAsync(transaction => _administration.CreateGrantAsync(
        transaction, new GrantRequest("ehr", [Permission.Encrypt], KeyPattern.All, ContextConstraint.Empty, null) { Quotas = quotas }));

    private async Task<T> ChangeAsync<T>(Func<IStoreTransaction, Task<T>> change)
    {
        T answer = default!;
        await _store.CommitAsync(new AuditRecordDraft(AuditEvent.GrantCreated), async transaction => answer = await change(transaction), CancellationToken.None);
        return answer;
    }
}
