using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Trust;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Trust;

/// <summary>Hands in the database that every MAC survives, and what the log says about it.</summary>
public sealed class ScrubTests
{
    private const string PutGrantsBack = "DELETE FROM grants; INSERT INTO grants SELECT * FROM old_grants; DELETE FROM register_state; INSERT INTO register_state SELECT * FROM old_state";

    [Fact]
    public async Task A_store_that_nobody_touched_is_what_the_log_says()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        var report = await trusted.ScrubAsync();
        Assert.True(report.IsClean, report.Summary);
        Assert.Equal((6L, true), (report.Rows, report.HasBegun));
    }

    [Theory]
    [InlineData("a row with its counts put back", PutGrantsBack, "grants", "it was put back")]
    [InlineData("a row deleted", "DELETE FROM grants WHERE revoked = 1", "grants", "missing")]
    [InlineData("a row deleted, which nothing counts", "DELETE FROM principals WHERE name = 'backup'", "principals", "missing")]
    [InlineData("a row edited", "UPDATE principals SET type = 2 WHERE name = 'backup'", "principals", "not what the service wrote")]
    [InlineData("a revision that no change made", "UPDATE principals SET revision = 9 WHERE name = 'backup'", "principals", "no change of the service made")]
    [InlineData("a row copied", "INSERT INTO principals SELECT 'copy', type, credential_kind, '4711', disabled, created_at, revision, mac FROM principals WHERE name = 'backup'", "principals", "never saw it")]
    [InlineData("a row that stands under another id", "UPDATE grants SET id = 5 WHERE revoked = 1", "grants", "never saw it")]
    public async Task What_was_done_to_a_row_is_found(string what, string sql, string table, string finding)
    {
        await using var trusted = await TrustedStore.MakeAsync();
        trusted.File.Edit(sql);
        foreach (var run in new[] { "the first scrub", "the one after it" })
        {
            var report = await trusted.ScrubAsync();
            Assert.False(report.IsClean, $"{what}, {run}");
            Assert.True(
                report.Findings.Any(each => each.Table == table && each.Finding.Contains(finding, StringComparison.Ordinal)),
                $"{what}, {run}: {string.Join("; ", report.Findings)}");
        }
    }

    [Fact]
    public async Task What_the_load_of_the_register_does_not_notice_the_scrub_finds()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        await trusted.ReopenAsync(() => trusted.File.Edit(PutGrantsBack));
        Assert.False(trusted.Register.Current.Grants[trusted.Revoked.Id].Revoked);
        var finding = Assert.Single((await trusted.ScrubAsync()).Findings);
        Assert.Equal(("grants", trusted.Revoked.IdText), (finding.Table, finding.RowId));
    }

    [Fact]
    public async Task The_next_scrub_reads_only_what_came_since()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        Assert.Equal(6, (await trusted.ScrubAsync()).Records);
        Assert.Equal(0, (await trusted.ScrubAsync()).Records);
        await trusted.CreatePrincipalAsync("new", 2002);
        var report = await trusted.ScrubAsync();
        Assert.True(report.IsClean, report.Summary);
        Assert.Equal((1L, 7L), (report.Records, report.Rows));
    }

    [Theory]
    [InlineData("account-list")]
    [InlineData("account-*")]
    public async Task An_account_that_somebody_changed_or_removed_is_made_again_from_the_log(string files)
    {
        await using var trusted = await TrustedStore.MakeAsync();
        await trusted.ScrubAsync();
        foreach (var file in Directory.GetFiles(trusted.ScrubFolder, files))
        {
            File.WriteAllBytes(file, [.. File.ReadAllBytes(file), 0]);
        }

        trusted.File.Edit(PutGrantsBack);
        var report = await trusted.ScrubAsync();
        Assert.Equal(6, report.Records);
        Assert.Single(report.Findings);
        foreach (var file in Directory.GetFiles(trusted.ScrubFolder, files))
        {
            File.Delete(file);
        }

        Assert.Single((await trusted.ScrubAsync()).Findings);
    }

    [Fact]
    public async Task A_log_that_was_cut_above_its_mark_is_found_by_what_the_last_scrub_read()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        await trusted.ScrubAsync();
        trusted.File.Edit("DELETE FROM audit_records WHERE sequence >= 4");
        var report = await trusted.ScrubAsync();
        Assert.Contains(report.Logs.Single().Findings, each => each.Finding.Contains("it was cut", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_scrub_that_keeps_nothing_leaves_nothing_behind()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        Assert.True((await trusted.ScrubAsync(keep: false)).IsClean);
        Assert.Empty(Directory.GetFileSystemEntries(trusted.ScrubFolder));
    }

    [Fact]
    public async Task A_store_whose_rows_the_log_never_knew_is_put_on_record_once()
    {
        await using var trusted = await OlderStoreAsync();
        var unknown = await trusted.ScrubAsync();
        Assert.True(unknown.IsClean, unknown.Summary);
        Assert.False(unknown.HasBegun);
        var account = new StoreAccount(trusted.Store, trusted.Rows, DecidingTables.All, trusted.ScrubFolder);
        Assert.Equal(6, await account.TakeOnceAsync(CancellationToken.None));
        Assert.Equal(0, await account.TakeOnceAsync(CancellationToken.None));
        var known = await trusted.ScrubAsync();
        Assert.True(known.IsClean, known.Summary);
        Assert.True(known.HasBegun);
        Assert.Equal(0, await account.TakeOnceAsync(CancellationToken.None));
        trusted.File.Edit(PutGrantsBack);
        trusted.File.Edit("INSERT INTO principals SELECT 'copy', type, credential_kind, '4711', disabled, created_at, revision, mac FROM principals WHERE name = 'backup'");
        Assert.Equal(2, (await trusted.ScrubAsync()).FindingCount);
    }

    [Fact]
    public async Task Rows_that_the_service_changes_while_the_scrub_reads_are_no_finding()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        using var stop = new CancellationTokenSource();
        var busy = Task.Run(async () =>
        {
            for (uint number = 0; !stop.IsCancellationRequested; number++)
            {
                var name = $"guest-{number}";
                await trusted.CreatePrincipalAsync(name, 10_000 + number);
                await trusted.ChangeAsync(transaction => trusted.Administration.DisablePrincipalAsync(transaction, name));
            }
        });
        for (var run = 0; run < 5; run++)
        {
            var report = await trusted.ScrubAsync();
            Assert.True(report.IsClean, string.Join("; ", report.Findings));
        }

        await stop.CancelAsync();
        await busy;
    }

    [Fact]
    public async Task A_row_that_the_service_removed_may_be_gone_and_must_not_come_back()
    {
        await using var trusted = await TrustedStore.MakeAsync();
        trusted.File.Edit("CREATE TABLE kept AS SELECT * FROM principals WHERE name = 'backup'");
        await trusted.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.PrincipalDisabled),
            transaction =>
            {
                transaction.RowChanged(RowChange.Removal("principals", "backup", 2));
                return Task.CompletedTask;
            },
            CancellationToken.None);
        Assert.Contains("stands there again", Assert.Single((await trusted.ScrubAsync()).Findings).Finding, StringComparison.Ordinal);
        trusted.File.Edit("DELETE FROM principals WHERE name = 'backup'");
        Assert.True((await trusted.ScrubAsync()).IsClean);
        trusted.File.Edit("INSERT INTO principals SELECT * FROM kept");
        Assert.False((await trusted.ScrubAsync()).IsClean);
    }

    // As a version wrote it whose records had no field 24.
    private static async Task<TrustedStore> OlderStoreAsync()
    {
        var trusted = await TrustedStore.MakeAsync();
        var records = new AuditLog(trusted.Store);
        foreach (var entry in await records.ReadAsync(0, 5, CancellationToken.None))
        {
            KeyService.Crypto.AuditRecord.TryParse(entry.Record, out var record);
            var older = (record! with { Changes = [] }).Encode();
            trusted.File.Edit($"""
                UPDATE audit_records SET record = x'{Convert.ToHexString(older)}', leaf_hash = x'{Convert.ToHexString(KeyService.Crypto.AuditRecord.LeafHash(older))}'
                WHERE sequence = {entry.Sequence}
                """);
        }

        return trusted;
    }
}
