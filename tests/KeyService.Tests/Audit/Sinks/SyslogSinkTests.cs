using System.Text.RegularExpressions;
using KeyService.Server.Audit.Search;
using KeyService.Server.Audit.Sinks;

namespace KeyService.Tests.Audit.Sinks;

public sealed class SyslogSinkTests : IAsyncLifetime
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-syslog-");
    private TlsReceiver _receiver = null!;

    public ValueTask InitializeAsync()
    {
        _receiver = new TlsReceiver(_directory);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _receiver.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task What_is_confirmed_has_been_read_to_its_end()
    {
        await using var sink = new SyslogSink(_receiver.Configuration(), TimeProvider.System);
        await sink.SendAsync(2, Records(0, 500), CancellationToken.None);
        await sink.SendAsync(2, Records(500, 500), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 1000).Select(each => (long)each), Sequences());
        Assert.Equal(1, _receiver.Connections);
        await sink.SendAsync(2, Records(1000, 1), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        Assert.Equal(2, _receiver.Connections);
        Assert.Equal(1001, _receiver.Messages.Count);
    }

    /// <summary>Bytes that the kernel took are not bytes that somebody read.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(5000)]
    [InlineData(40_000)]
    public async Task A_connection_that_is_cut_confirms_nothing_and_what_it_carried_comes_again(int afterBytes)
    {
        _receiver.CutAfter = afterBytes;
        await using var sink = new SyslogSink(_receiver.Configuration(), TimeProvider.System);
        await Assert.ThrowsAsync<SinkException>(async () =>
        {
            await sink.SendAsync(2, Records(0, 200), CancellationToken.None);
            await sink.ConfirmAsync(CancellationToken.None);
        });
        Assert.True(_receiver.Messages.Count < 200);
        await sink.ResetAsync();
        _receiver.CutAfter = 0;
        await sink.SendAsync(2, Records(0, 200), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 200).Select(each => (long)each), Sequences().Distinct());
    }

    [Fact]
    public async Task A_connection_that_ends_without_a_word_confirms_nothing()
    {
        _receiver.SaysNothing = true;
        await using var sink = new SyslogSink(_receiver.Configuration(), TimeProvider.System);
        await sink.SendAsync(2, Records(0, 3), CancellationToken.None);
        var refused = await Assert.ThrowsAsync<SinkException>(() => sink.ConfirmAsync(CancellationToken.None));
        Assert.Contains("without close_notify", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>A kernel that holds what nobody read answers with a reset.</summary>
    [Fact]
    public async Task An_orderly_end_of_TCP_confirms_where_that_is_configured_and_a_reset_does_not()
    {
        _receiver.SaysNothing = true;
        await using var sink = new SyslogSink(_receiver.Configuration() with { Confirmation = SyslogConfirmation.TcpEnd }, TimeProvider.System);
        await sink.SendAsync(2, Records(0, 300), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        Assert.Equal(300, _receiver.Messages.Count);

        _receiver.CutAfter = 5000;
        await Assert.ThrowsAsync<SinkException>(async () =>
        {
            await sink.SendAsync(2, Records(300, 300), CancellationToken.None);
            await sink.ConfirmAsync(CancellationToken.None);
        });
        await sink.ResetAsync();
        Assert.True(_receiver.Messages.Count < 600);

        _receiver.CutAfter = 0;
        _receiver.Mutual = true;
        await using var without = new SyslogSink(
            _receiver.Configuration() with { Confirmation = SyslogConfirmation.TcpEnd, Tls = new SinkTlsConfiguration(_receiver.CaPath, null, null) }, TimeProvider.System);
        var before = _receiver.Messages.Count;
        await Assert.ThrowsAsync<SinkException>(async () =>
        {
            await without.SendAsync(2, Records(0, 1), CancellationToken.None);
            await without.ConfirmAsync(CancellationToken.None);
        });
        Assert.Equal(before, _receiver.Messages.Count);
    }

    [Fact]
    public async Task A_slow_receiver_gets_everything()
    {
        _receiver.Slow = TimeSpan.FromMilliseconds(2);
        await using var sink = new SyslogSink(_receiver.Configuration(), TimeProvider.System);
        await sink.SendAsync(2, Records(0, 1000), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        Assert.Equal(1000, _receiver.Messages.Count);
    }

    [Fact]
    public async Task A_receiver_that_is_down_is_named()
    {
        var configuration = _receiver.Configuration();
        await _receiver.DisposeAsync();
        await using var sink = new SyslogSink(configuration, TimeProvider.System);
        var down = await Assert.ThrowsAsync<SinkException>(() => sink.SendAsync(2, Records(0, 1), CancellationToken.None));
        Assert.Contains($"127.0.0.1:{configuration.Port}", down.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_of_another_name_is_refused()
    {
        await using var sink = new SyslogSink(_receiver.Configuration("siem.example"), TimeProvider.System);
        var refused = await Assert.ThrowsAsync<SinkException>(() => sink.SendAsync(2, Records(0, 1), CancellationToken.None));
        Assert.Contains("TLS with", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Name", refused.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_certificate_of_another_CA_is_refused()
    {
        await using var other = new TlsReceiver(_directory);
        var configuration = _receiver.Configuration() with { Tls = new SinkTlsConfiguration(other.CaPath, null, null) };
        await using var sink = new SyslogSink(configuration, TimeProvider.System);
        await Assert.ThrowsAsync<SinkException>(() => sink.SendAsync(2, Records(0, 1), CancellationToken.None));
        Assert.Empty(_receiver.Messages);
    }

    [Fact]
    public async Task It_shows_its_certificate_to_a_receiver_that_asks_for_one()
    {
        _receiver.Mutual = true;
        await using var sink = new SyslogSink(_receiver.Configuration(), TimeProvider.System);
        await sink.SendAsync(2, Records(0, 3), CancellationToken.None);
        await sink.ConfirmAsync(CancellationToken.None);
        Assert.Equal(3, _receiver.Messages.Count);

        await using var without = new SyslogSink(_receiver.Configuration() with { Tls = new SinkTlsConfiguration(_receiver.CaPath, null, null) }, TimeProvider.System);
        await Assert.ThrowsAsync<SinkException>(async () =>
        {
            await without.SendAsync(2, Records(0, 1), CancellationToken.None);
            await without.ConfirmAsync(CancellationToken.None);
        });
        Assert.Equal(3, _receiver.Messages.Count);
    }

    [Fact]
    public async Task A_CA_that_cannot_be_read_is_named()
    {
        await using var sink = new SyslogSink(_receiver.Configuration() with { Tls = new SinkTlsConfiguration("/nowhere/ca.pem", null, null) }, TimeProvider.System);
        var refused = await Assert.ThrowsAsync<SinkException>(() => sink.SendAsync(2, Records(0, 1), CancellationToken.None));
        Assert.Contains("/nowhere/ca.pem", refused.Message, StringComparison.Ordinal);
    }

    private static List<LoggedRecord> Records(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(sequence => SyslogMessageTests.Record(record => record, (ulong)sequence))];

    private IEnumerable<long> Sequences() => _receiver.Messages.Select(message => long.Parse(Regex.Match(message, " sequence=\"([0-9]+)\"").Groups[1].Value));
}
