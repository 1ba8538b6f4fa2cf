using KeyService.Server.Audit.Sinks;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Audit.Sinks;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class DirectorySinkTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly DirectoryInfo _copies = Directory.CreateTempSubdirectory("keyservice-copies-");
    private SqliteStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        await SinkBed.AppendAsync(_store, 5);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
        _copies.Delete(recursive: true);
    }

    [Fact]
    public async Task A_closed_file_is_read_only_has_its_range_in_its_name_and_all_records_in_it()
    {
        await DeliverAsync();
        var file = Assert.Single(_copies.GetFiles());
        Assert.Equal("00-0000000000000000000-0000000000000000005.records", file.Name);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, file.UnixFileMode);
        await SinkBed.AppendAsync(_store, 2);
        await DeliverAsync();
        Assert.Equal(
            ["00-0000000000000000000-0000000000000000005.records", "00-0000000000000000006-0000000000000000008.records"],
            _copies.GetFiles().Select(each => each.Name).Order());
        await DemandCompleteAsync();
    }

    [Fact]
    public async Task Files_are_closed_by_their_length_too()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SinkBed.AppendAsync(_store, 150, new string('x', 1000))));
        await using var sink = new DirectorySink(Configuration);
        var follower = SinkBed.Follow(_store, _rows, _time, Configuration, sink);
        await SinkBed.DrainAsync(follower);
        Assert.All(_copies.GetFiles("*.records"), file => Assert.InRange(file.Length, 1 << 20, 3 << 20));
        await follower.FinishAsync(CancellationToken.None);
        await DemandCompleteAsync();
    }

    [Fact]
    public async Task What_a_server_left_that_died_is_kept_aside_and_its_records_are_in_the_next_file()
    {
        // Torn in the middle of a record, as a power cut leaves it.
        File.WriteAllBytes(Path.Combine(_copies.FullName, "00-0000000000000000000-0123456789ab.part"), [0, 0, 1, 0, 1]);
        await DeliverAsync();
        Assert.Equal(
            ["00-0000000000000000000-0000000000000000005.records", "00-0000000000000000000-0123456789ab.torn"],
            _copies.GetFiles().Select(each => each.Name).Order());
        Assert.Equal([0, 0, 1, 0, 1], File.ReadAllBytes(Path.Combine(_copies.FullName, "00-0000000000000000000-0123456789ab.torn")));
        await DemandCompleteAsync();
    }

    [Fact]
    public async Task A_file_that_was_closed_and_not_written_down_is_recognised()
    {
        await DeliverAsync();
        var written = File.GetLastWriteTimeUtc(_copies.GetFiles()[0].FullName);
        File.SetUnixFileMode(_copies.GetFiles()[0].FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await ForgetAsync();
        await using var sink = new DirectorySink(Configuration);
        await sink.SendAsync(0, (await SinkBed.LogAsync(_store)).Take(6).ToList(), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        var file = Assert.Single(_copies.GetFiles());
        Assert.Equal(written, file.LastWriteTimeUtc);
        Assert.False(file.UnixFileMode.HasFlag(UnixFileMode.UserWrite));
    }

    [Fact]
    public async Task A_file_of_other_records_is_never_overwritten_and_is_a_finding()
    {
        var path = Path.Combine(_copies.FullName, DirectorySink.NameOf(0, 0, 5));
        File.WriteAllText(path, "what another log said");
        var follower = SinkBed.Follow(_store, _rows, _time, Configuration, new DirectorySink(Configuration));
        await SinkBed.DrainAsync(follower);
        _time.Advance(TimeSpan.FromHours(1));
        await SinkBed.DrainAsync(follower);
        Assert.Contains("holds other records than the log", follower.Status!.Row.Error, StringComparison.Ordinal);
        Assert.Equal("what another log said", File.ReadAllText(path));
    }

    [Fact]
    public async Task A_directory_that_is_not_there_fails_and_recovers_when_it_is_mounted()
    {
        _copies.Delete();
        await using var sink = new DirectorySink(Configuration);
        var follower = SinkBed.Follow(_store, _rows, _time, Configuration, sink);
        await SinkBed.DrainAsync(follower);
        Assert.Contains("is not there. Mount or make it.", follower.Status!.Row.Error, StringComparison.Ordinal);
        _copies.Create();
        await SinkBed.DrainAsync(follower);
        Assert.Null(follower.Status.Row.FailingSince);
        await DemandCompleteAsync();
    }

    private DirectorySinkConfiguration Configuration => new("copies", _copies.FullName, 1, TimeSpan.FromMinutes(5));

    private async Task DeliverAsync()
    {
        await using var sink = new DirectorySink(Configuration);
        var follower = SinkBed.Follow(_store, _rows, _time, Configuration, sink);
        await SinkBed.DrainAsync(follower);
        await follower.FinishAsync(CancellationToken.None);
    }

    private async Task ForgetAsync()
    {
        await _store.DisposeAsync();
        _file.Edit("DELETE FROM audit_sinks");
        _store = _file.Open(_time);
    }

    /// <summary>The copies hold the log, but for the records of the copying itself at its end.</summary>
    private async Task DemandCompleteAsync()
    {
        var log = await SinkBed.LogAsync(_store);
        var copies = SinkBed.ReadCopies(_copies.FullName);
        Assert.Equal(log.Take(copies.Count).Select(record => record.Entry.Record), copies);
        Assert.All(log.Skip(copies.Count), record => Assert.True(Housekeeping.Is(record.Record.EventId) || record.Record.EventId is 631 or 632));
    }
}
