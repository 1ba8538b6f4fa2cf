using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Trust;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Trust;

/// <summary>Two servers on one store, of which one changes and the other follows.</summary>
public sealed class ChangeFollowerTests : IAsyncLifetime
{
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly List<string> _keys = [];
    private readonly List<string> _told = [];
    private TrustedStore _trusted = null!;
    private AccessRegister _register = null!;
    private ChangeFollower _follower = null!;
    private int _everything;

    public async ValueTask InitializeAsync()
    {
        _trusted = await TrustedStore.MakeAsync(rememberOld: false);
        _register = await AccessRegister.LoadAsync(_trusted.Store, _rows, _trusted.Time, CancellationToken.None);
        var table = new AccessRows(_rows);
        _follower = new ChangeFollower(
            _trusted.Store,
            [
                new FollowedTable(
                    "principals",
                    async (connection, names, cancellationToken) =>
                    {
                        foreach (var name in names)
                        {
                            _register.Apply((await table.FindPrincipalAsync(connection, name, cancellationToken))!);
                        }
                    },
                    async (connection, cancellationToken) =>
                    {
                        _everything++;
                        _register.Take(await table.LoadAsync(connection, cancellationToken));
                    }),
                new FollowedTable("keys", (_, names, _) =>
                {
                    _keys.AddRange(names);
                    return Task.CompletedTask;
                }, (_, _) => Task.CompletedTask),
            ],
            null, new AlarmOutlet(new Told(_told)), _trusted.Time, NullLogger<ChangeFollower>.Instance);
        await _follower.FollowAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        _follower.Dispose();
        await _trusted.DisposeAsync();
    }

    [Fact]
    public async Task What_another_server_changed_is_taken_over_row_by_row()
    {
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        Assert.False(_register.Current.Principals["backup"].Disabled);
        await _follower.FollowAsync(CancellationToken.None);
        Assert.True(_register.Current.Principals["backup"].Disabled);
        Assert.Equal((1L, 1), (_follower.Position, _everything));
    }

    [Fact]
    public async Task Before_a_change_of_its_own_a_server_sees_what_the_others_decided()
    {
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        await _trusted.ChangeAsync(async transaction =>
        {
            await _follower.CatchUpAsync(transaction.Connection, CancellationToken.None);
            return true;
        });
        Assert.True(_register.Current.Principals["backup"].Disabled);
    }

    [Fact]
    public async Task Each_row_is_read_once_however_often_it_changed()
    {
        await FedAsync(async transaction =>
        {
            for (var revision = 1; revision <= 5; revision++)
            {
                transaction.RowChanged(new RowChange("keys", "ehr/fields", revision, new byte[32]));
            }

            transaction.RowChanged(new RowChange("wrap_counts", "0000000000000001", 1, new byte[32]));
            await Task.CompletedTask;
            return true;
        });
        await _follower.FollowAsync(CancellationToken.None);
        Assert.Equal(["ehr/fields"], _keys);
        Assert.Equal(6, _follower.Position);
    }

    [Fact]
    public async Task More_changes_than_a_page_holds_are_followed_to_their_end()
    {
        for (var part = 0; part < 3; part++)
        {
            await FedAsync(transaction =>
            {
                for (var row = 0; row < 500; row++)
                {
                    transaction.RowChanged(new RowChange("keys", $"key-{part}-{row}", 1, new byte[32]));
                }

                return Task.FromResult(true);
            });
        }

        await _follower.FollowAsync(CancellationToken.None);
        Assert.Equal((1500, 1500L), (_keys.Count, _follower.Position));
    }

    [Theory]
    [InlineData("DELETE FROM row_changes WHERE position = 1")]
    [InlineData("DELETE FROM row_changes")]
    [InlineData("DELETE FROM row_changes; UPDATE change_position SET position = 0")]
    public async Task Changes_that_somebody_took_out_make_everything_be_read_anew(string sql)
    {
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "ehr-database"));
        await _follower.FollowAsync(CancellationToken.None);
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        _trusted.File.Edit(sql.Replace("position = 1", "position = 2", StringComparison.Ordinal));
        await _follower.FollowAsync(CancellationToken.None);
        Assert.Equal(2, _everything);
        Assert.True(_register.Current.Principals["backup"].Disabled);
        Assert.Contains("The changes of rows are not in order", Assert.Single(_told), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_older_state_never_takes_the_place_of_a_newer_one()
    {
        var before = _register.Current.Principals["backup"];
        _register.Apply(before with { Disabled = true, Revision = 2 });
        _register.Apply(before);
        Assert.True(_register.Current.Principals["backup"].Disabled);
        await Task.CompletedTask;
    }

    [Fact]
    public async Task Whoever_waits_for_a_change_of_access_is_woken()
    {
        var changed = _register.WaitForChangeAsync();
        Assert.False(changed.IsCompleted);
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        await _follower.FollowAsync(CancellationToken.None);
        await changed;
    }

    [Fact]
    public async Task Changes_older_than_a_week_are_dropped_by_those_that_follow()
    {
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        await PassUntilDroppedAsync();
        Assert.Equal((2L, 301L), (_trusted.File.Ask<long>("SELECT min(position) FROM row_changes"), _trusted.File.Ask<long>("SELECT max(position) FROM row_changes")));
    }

    [Fact]
    public async Task A_machine_that_slept_for_longer_than_a_week_reads_everything_and_suspects_nobody()
    {
        // The time of day went on for all servers, the monotonic clock stood still on this one; the others dropped what it has not followed.
        await FedAsync(transaction => _trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        await PassUntilDroppedAsync();
        await _follower.FollowAsync(CancellationToken.None);
        Assert.True(_register.Current.Principals["backup"].Disabled);
        Assert.Equal((301L, 2), (_follower.Position, _everything));
        Assert.Empty(_told);
    }

    private Task PassUntilDroppedAsync()
    {
        _trusted.Time.Advance(ChangeFeed.Retention + TimeSpan.FromDays(1));
        return FedAsync(transaction =>
        {
            for (var row = 0; row < 300; row++)
            {
                transaction.RowChanged(new RowChange("keys", $"key-{row}", 1, new byte[32]));
            }

            return Task.FromResult(true);
        });
    }

    // As the store that servers share does it with every change.
    private Task<T> FedAsync<T>(Func<IStoreTransaction, Task<T>> change)
    {
        var draft = new AuditRecordDraft(AuditEvent.PrincipalDisabled);
        T result = default!;
        return Committed();

        async Task<T> Committed()
        {
            await _trusted.Store.CommitAsync(
                draft,
                async transaction =>
                {
                    result = await change(transaction);
                    await ChangeFeed.AppendAsync(transaction, draft.Changes);
                },
                CancellationToken.None);
            return result;
        }
    }

    private sealed class Told(List<string> lines) : ILogger<AlarmOutlet>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Add(formatter(state, exception));
    }
}
