using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Tests.Trust;

/// <summary>A row that is older than this server has seen it, with a MAC that was valid then and counts that fit.</summary>
public sealed class OlderRowTests
{
    [Fact]
    public async Task Rows_put_back_under_a_running_server_are_refused_when_they_are_read_again()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        await trusted.Register.ReloadAsync(trusted.Store, trusted.Rows, CancellationToken.None);
        trusted.File.Edit("DELETE FROM grants; INSERT INTO grants SELECT * FROM old_grants; DELETE FROM register_state; INSERT INTO register_state SELECT * FROM old_state");
        var finding = await Assert.ThrowsAsync<RowOlderException>(() => trusted.Register.ReloadAsync(trusted.Store, trusted.Rows, CancellationToken.None));
        Assert.Equal(("grants", trusted.Revoked.IdText), (finding.Table, finding.RowId));
        Assert.True(trusted.Register.Current.Grants[trusted.Revoked.Id].Revoked);
    }

    [Fact]
    public async Task What_this_server_wrote_it_has_seen()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        // Written and never read back.
        await trusted.ChangeAsync(transaction => trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
        Assert.Throws<RowOlderException>(() => trusted.Rows.Seen.Demand("principals", "backup", 1));
        trusted.Rows.Seen.Demand("principals", "backup", 2);
    }

    [Fact]
    public async Task A_change_that_was_undone_was_not_seen()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => trusted.ChangeAsync<bool>(async transaction =>
        {
            await trusted.Administration.DisablePrincipalAsync(transaction, "backup");
            throw new InvalidOperationException("undone");
        }));
        trusted.Rows.Seen.Demand("principals", "backup", 1);
        await trusted.Register.ReloadAsync(trusted.Store, trusted.Rows, CancellationToken.None);
    }

    [Fact]
    public async Task A_read_whose_snapshot_is_older_than_what_was_seen_meanwhile_is_made_again()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        var reads = 0;
        var snapshot = await trusted.Store.ReadAsync(
            async connection =>
            {
                if (reads++ == 0)
                {
                    // The snapshot stands with this query; then somebody else changes the row and this server learns of it.
                    await new AccessRows(SoftwareRowsOf()).LoadAsync(connection, CancellationToken.None);
                    await trusted.ChangeAsync(transaction => trusted.Administration.DisablePrincipalAsync(transaction, "backup"));
                }

                return await new AccessRows(trusted.Rows).LoadAsync(connection, CancellationToken.None);
            },
            CancellationToken.None);
        Assert.Equal(2, reads);
        Assert.True(snapshot.Principals["backup"].Disabled);
    }

    [Fact]
    public void A_store_that_was_accepted_begins_anew()
    {
        var seen = new RevisionsSeen();
        seen.Note("keys", "a", 5);
        Assert.Throws<RowOlderException>(() => seen.Demand("keys", "a", 4));
        seen.Demand("keys", "b", 1);
        seen.Suspend();
        seen.Demand("keys", "a", 4);
        seen.BeginAnew();
        seen.Demand("keys", "a", 4);
        seen.Note("keys", "a", 4);
        Assert.Throws<RowOlderException>(() => seen.Demand("keys", "a", 3));
    }

    private static RowAuthenticator SoftwareRowsOf() => Storage.SoftwareRows.Of();
}
