using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Audit.Search;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Trust;
using KeyService.Tests.Audit.Search;
using KeyService.Tests.Storage;
using Scrub = KeyService.Server.Trust.Scrub;

namespace KeyService.Tests.Audit.Retention;

/// <summary>
/// A store in which October, November and December 2019 were lived through, archived, and deleted when it was time; for each of the two stores. What
/// is left must verify to the very root that the whole log has.
/// </summary>
internal sealed class RetentionContract(IStore store, TestTime time, string directory)
{
    private const int RecordsAMonth = 300;

    /// <summary>Where the clock stands when the first month begins; a store must be opened then.</summary>
    public static readonly DateTimeOffset Begin = new(2019, 10, 3, 12, 0, 0, TimeSpan.Zero);

    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly ArchiveFile _file = new(1, "safe 2, tape 17", 4711, new byte[32]);
    private readonly ClockGuard _clock = new(time, TimeSpan.FromMinutes(1), () => TimeSpan.Zero);

    public AuditRetention Retention => new(
        store, _rows, new StoreAccount(store, _rows, DecidingTables.All, directory), _clock, new RetentionConfiguration(), time);

    public static AuditMonth Month(string text) => AuditMonth.TryParse(text, out var month) ? month : throw new ArgumentException(text);

    public void MoveTo(int year, int month, int day) => time.Advance(new DateTimeOffset(year, month, day, 0, 0, 0, TimeSpan.Zero) - time.GetUtcNow());

    /// <summary>An installation and three months of records.</summary>
    public async Task LiveAsync()
    {
        await SoftwareRows.InstallAsync(store, _rows);
        foreach (var (month, day) in new[] { (10, 4), (11, 4), (12, 4) })
        {
            MoveTo(2019, month, day);
            await Task.WhenAll(Enumerable.Range(0, RecordsAMonth).Select(n => store.CommitAsync(
                new AuditRecordDraft(AuditEvent.FieldsDecrypted) { Principal = $"ehr-{n % 3}", Key = $"month-{month}" }, null, CancellationToken.None)));
            // A deciding row that changes every month.
            var frontier = await new AuditLog(store).ExtendAsync(new MerkleFrontier(), store.LastSequence, CancellationToken.None);
            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.AuditLogMarked),
                async transaction => await (await AuditMark.ReadAsync(transaction.Connection, _rows, store.Slot, CancellationToken.None))!
                    .AdvanceAsync(transaction, _rows, frontier),
                CancellationToken.None);
        }

        MoveTo(2020, 1, 4);
        // Signed by nobody: only that a checkpoint stands is asked here.
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.AuditLogMarked),
            transaction => transaction.Connection.ExecuteAsync(
                "INSERT INTO audit_checkpoints (log, size, note, made_at) VALUES (@slot, @size, @note, 1), (-1, 1, @note, 2)",
                new { slot = (long)store.Slot, size = store.LastSequence + 1, note = new byte[] { 1 } }, transaction.Transaction),
            CancellationToken.None);
    }

    public async Task<IReadOnlyList<AuditArchive>> RegisterAsync(string month)
    {
        var parts = await Retention.PrepareAsync(Month(month), _file, "archivist", CancellationToken.None);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.AuditArchiveRegistered),
            async transaction =>
            {
                foreach (var part in parts)
                {
                    await part.InsertAsync(transaction, _rows);
                }
            },
            CancellationToken.None);
        return parts;
    }

    public async Task MarkDeletedAsync(string month)
    {
        var archives = await Retention.DeletableAsync(Month(month), CancellationToken.None);
        await Retention.TakeAccountAsync(CancellationToken.None);
        await store.CommitAsync(
            new AuditRecordDraft(AuditEvent.AuditRecordsDeleted),
            async transaction =>
            {
                foreach (var archive in archives.Where(archive => archive.DeleteTime is null))
                {
                    await archive.DeleteRecordsAsync(transaction, _rows, "officer");
                }
            },
            CancellationToken.None);
    }

    /// <summary>The whole life: nothing out of order, nothing too early, and afterwards everything verifies.</summary>
    public async Task RunAsync()
    {
        await LiveAsync();
        await RefusedAsync(Reason.InvalidArgument, () => RegisterAsync("2020-01"));
        await RefusedAsync(Reason.InvalidArgument, () => RegisterAsync("2019-11"));
        await RefusedAsync(Reason.NotFound, () => RegisterAsync("2019-09"));
        Assert.Equal(Month("2019-10"), await Retention.NextAsync([], CancellationToken.None));
        Assert.Equal([(0L, RecordsAMonth + 2L)], (await RegisterAsync("2019-10")).Select(part => (part.First, part.Past)));
        await RefusedAsync(Reason.AlreadyExists, () => RegisterAsync("2019-10"));
        await RegisterAsync("2019-11");
        Assert.Equal(Month("2019-12"), await Retention.NextAsync(await Retention.ListAsync(CancellationToken.None), CancellationToken.None));

        // Six years after the end of October, not a day before; and December is in no archive.
        MoveTo(2025, 10, 31);
        await RefusedAsync(Reason.RecordsRetained, () => MarkDeletedAsync("2019-10"));
        MoveTo(2025, 11, 1);
        await RefusedAsync(Reason.RecordsRetained, () => MarkDeletedAsync("2019-11"));
        await RefusedAsync(Reason.RecordsRetained, () => MarkDeletedAsync("2019-12"));
        MoveTo(2026, 1, 2);
        await RefusedAsync(Reason.NotFound, () => MarkDeletedAsync("2019-12"));
        _clock.Saw(time.GetUtcNow() + TimeSpan.FromDays(1));
        await RefusedAsync(Reason.RecordsRetained, () => MarkDeletedAsync("2019-11"));
        MoveTo(2026, 1, 4);

        // In between the log has been indexed: the index goes with what it leads to.
        await MarkDeletedAsync("2019-11");
        await VerifiesAsync(standing: true);
        await Retention.SweepAsync(CancellationToken.None);
        await VerifiesAsync(standing: false);
        await Retention.SweepAsync(CancellationToken.None);
    }

    public async Task VerifiesAsync(bool standing)
    {
        var start = await Retention.ReadStartAsync(store.Slot, CancellationToken.None);
        Assert.Equal(2 * (RecordsAMonth + 1) + 1, start);
        var first = await store.ReadAsync(connection => connection.ExecuteScalarAsync<long>("SELECT min(sequence) FROM audit_records"), CancellationToken.None);
        Assert.Equal(standing ? 0 : start, first);

        var report = await new AuditVerification(new AuditLog(store), store, _rows).RunAsync(CancellationToken.None);
        Assert.Empty(report.Findings);
        Assert.Equal(store.LastSequence + 1, report.Records);
        if (standing)
        {
            // By the archive's frontier or from the first record: one root.
            Assert.Equal((await new AuditLog(store).ExtendAsync(new MerkleFrontier(), store.LastSequence, CancellationToken.None)).Root(), report.Root);
        }

        // Three principals, of December alone, and nothing of what is gone.
        var hits = await AuditSearchContract.AnsweredAsync(store, AuditSearchContract.Ask(principal: "ehr-1"), 17);
        Assert.Equal(RecordsAMonth / 3, hits.Count);
        Assert.All(hits, hit => Assert.True(hit.Sequence >= start));
        Assert.Empty(await AuditSearchContract.AnsweredAsync(store, AuditSearchContract.Ask(key: "month-10"), 17));

        var scrub = await new Scrub(store, _rows, DecidingTables.All, Path.Combine(directory, "scrub"), time).RunAsync(keep: false, CancellationToken.None);
        Assert.True(scrub.HasBegun);
        Assert.Empty(scrub.Findings);
        Assert.All(scrub.Logs, log => Assert.Empty(log.Findings));
    }

    private static async Task RefusedAsync(Reason reason, Func<Task> action) =>
        Assert.Equal(reason, (await Assert.ThrowsAsync<Refusal>(action)).Reason);
}
