using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Storage;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Audit.Sinks;

/// <summary>Followers over a store, and records to follow.</summary>
internal static class SinkBed
{
    public static readonly TimeSpan AlarmAfter = TimeSpan.FromMinutes(5);

    public static SinkFollower Follow(IStore store, RowAuthenticator rows, TimeProvider time, SinkConfiguration configuration, IAuditSink sink, AlarmOutlet? alarms = null) =>
        new(configuration, sink, store, rows, alarms ?? new AlarmOutlet(NullLogger<AlarmOutlet>.Instance), AlarmAfter, time, NullLogger.Instance);

    public static async Task AppendAsync(IStore store, int count, string detail = "record")
    {
        for (var i = 0; i < count; i++)
        {
            await store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = $"{detail} {i}" }, null, CancellationToken.None);
        }
    }

    public static async Task DrainAsync(SinkFollower follower)
    {
        while (await follower.StepAsync(CancellationToken.None))
        {
        }
    }

    public static async Task<IReadOnlyList<LoggedRecord>> LogAsync(IStore store)
    {
        var log = new AuditLog(store);
        var all = new List<LoggedRecord>();
        while (await log.ReadAsync(all.Count, long.MaxValue, CancellationToken.None) is { Count: > 0 } page)
        {
            all.AddRange(page.Select(entry => LoggedRecord.Of(log.Slot, entry, entry.Sequence)));
        }

        return all;
    }

    /// <summary>Records of all closed files of a slot, each once, in their order; a gap or two files that disagree fail.</summary>
    public static IReadOnlyList<byte[]> ReadCopies(string directory, int slot = 0)
    {
        var records = new SortedDictionary<long, byte[]>();
        foreach (var path in Directory.EnumerateFiles(directory, $"{slot:d2}-*.records"))
        {
            var parts = Path.GetFileNameWithoutExtension(path).Split('-');
            var sequence = long.Parse(parts[1]);
            for (var rest = File.ReadAllBytes(path).AsSpan(); rest.Length > 0; sequence++)
            {
                var length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(rest);
                var record = rest.Slice(4, length).ToArray();
                rest = rest[(4 + length)..];
                Assert.True(!records.TryGetValue(sequence, out var other) || other.AsSpan().SequenceEqual(record), $"Two files disagree about record {sequence}.");
                records[sequence] = record;
            }

            Assert.Equal(long.Parse(parts[2]) + 1, sequence);
        }

        Assert.Equal(Enumerable.Range(0, records.Count).Select(each => (long)each), records.Keys);
        return [.. records.Values];
    }
}

/// <summary>A sink that a test breaks; what it vouches for it has.</summary>
internal sealed class FakeSink : IAuditSink
{
    private readonly List<(int Slot, LoggedRecord Record)> _sent = [];

    public SinkPace Pace { get; init; } = new(1000, long.MaxValue, TimeSpan.FromMinutes(1));

    public string? SendFails { get; set; }

    public string? ConfirmFails { get; set; }

    /// <summary>Everything that was ever confirmed, again and again included.</summary>
    public List<(int Slot, LoggedRecord Record)> Confirmed { get; } = [];

    public int Sends { get; private set; }

    public int Confirms { get; private set; }

    public Task SendAsync(int slot, IReadOnlyList<LoggedRecord> records, CancellationToken cancellationToken)
    {
        Sends++;
        if (SendFails is { } why)
        {
            // Some may have got through.
            _sent.AddRange(records.Take(records.Count / 2).Select(record => (slot, record)));
            throw new SinkException(why);
        }

        _sent.AddRange(records.Select(record => (slot, record)));
        return Task.CompletedTask;
    }

    public Task ConfirmAsync(CancellationToken cancellationToken)
    {
        if (ConfirmFails is { } why)
        {
            throw new SinkException(why);
        }

        Confirms++;
        Confirmed.AddRange(_sent);
        _sent.Clear();
        return Task.CompletedTask;
    }

    public Task ResetAsync()
    {
        _sent.Clear();
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => default;
}
