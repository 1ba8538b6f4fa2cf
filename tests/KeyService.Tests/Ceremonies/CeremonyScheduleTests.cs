using System.Security.Cryptography;
using KeyService.Crypto.Ceremonies;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Ceremonies;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Alarms;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Ceremonies;

public sealed class CeremonyScheduleTests : IAsyncLifetime
{
    private static readonly CeremonyConfiguration Configuration = new()
    {
        ShareCheckEvery = TimeSpan.FromDays(183), RestoreDrillEvery = TimeSpan.FromDays(92), BackupExportEvery = TimeSpan.Zero,
    };

    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;
    private AlarmServer _alarms = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _alarms = new AlarmServer(_store, _rows, _time);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task What_is_overdue_is_an_alarm_until_it_is_completed()
    {
        _time.Advance(TimeSpan.FromDays(92));
        await LookAsync();
        Assert.Empty(Standing());
        _time.Advance(TimeSpan.FromSeconds(1));
        await LookAsync();
        Assert.Equal([(AlarmKind.RestoreDrillOverdue, "restore-drill")], Standing());

        // A void one proves nothing.
        await RecordAsync('a', CeremonyKind.RestoreDrill, TranscriptVerdict.Void);
        await LookAsync();
        Assert.Single(Standing());
        await RecordAsync('b', CeremonyKind.RestoreDrill, TranscriptVerdict.Completed);
        await LookAsync();
        Assert.Empty(Standing());

        _time.Advance(TimeSpan.FromDays(91));
        await LookAsync();
        Assert.Equal([(AlarmKind.ShareCheckOverdue, "share-check")], Standing());
    }

    [Fact]
    public async Task A_stations_clock_that_was_ahead_does_not_put_off_the_next_one()
    {
        await RecordAsync('a', CeremonyKind.RestoreDrill, TranscriptVerdict.Completed, ahead: TimeSpan.FromDays(1000));
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromDays(92), (await Schedule().DueAsync(CancellationToken.None)).Single(each => each.Kind == CeremonyKind.RestoreDrill).Due);
    }

    [Theory]
    [InlineData("DELETE FROM ceremonies WHERE id LIKE 'a%'")]
    [InlineData("UPDATE ceremonies SET ended_at = ended_at + 1 WHERE id LIKE 'a%'")]
    [InlineData("UPDATE ceremonies SET transcript_sha256 = last_hash WHERE id LIKE 'a%'")]
    [InlineData("UPDATE ceremonies SET kind = 'share-check' WHERE id LIKE 'a%'")]
    public async Task A_row_that_was_changed_or_deleted_is_noticed(string sql)
    {
        await RecordAsync('a', CeremonyKind.RestoreDrill, TranscriptVerdict.Completed);
        await RecordAsync('b', CeremonyKind.Genesis, TranscriptVerdict.Completed);
        await LookAsync();
        Assert.Equal(1, _file.Edit(sql));
        var tampered = await Assert.ThrowsAsync<StoreTamperedException>(LookAsync);
        Assert.Equal("ceremonies", tampered.Table);
    }

    [Fact]
    public async Task A_transcript_that_was_exchanged_is_noticed_when_it_is_read()
    {
        await RecordAsync('a', CeremonyKind.Genesis, TranscriptVerdict.Completed);
        Assert.Equal(1, _file.Edit("UPDATE ceremonies SET transcript = x'00'"));
        await Assert.ThrowsAsync<StoreTamperedException>(() => _store.ReadAsync(
            async connection => await CeremonyTable.ReadTranscriptAsync(connection, null, Assert.Single(await new CeremonyTable(_rows).ListAsync(connection, CancellationToken.None))),
            CancellationToken.None));
    }

    private CeremonySchedule Schedule() => new(Configuration, new CeremonyTable(_rows), _store, _alarms.Outlet, _time);

    private Task LookAsync() => Schedule().LookAsync(CancellationToken.None);

    private List<(AlarmKind Kind, string Subject)> Standing() => [.. _alarms.View.Open().Where(each => each.Stands).Select(each => (each.Kind, each.Subject))];

    private Task RecordAsync(char id, string kind, string ending, TimeSpan ahead = default) => _store.CommitAsync(
        new AuditRecordDraft(AuditEvent.CeremonyRecorded),
        transaction => new CeremonyTable(_rows).WriteAsync(transaction, new CeremonyRow(
            new string(id, 32), kind, ending, UnixTime.Nanoseconds(_time.GetUtcNow() + ahead), new byte[32], SHA256.HashData([1]), "cyd", UnixTime.Nanoseconds(_time.GetUtcNow()), 1, []), [1]),
        CancellationToken.None);
}
