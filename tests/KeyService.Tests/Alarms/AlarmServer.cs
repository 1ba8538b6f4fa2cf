using System.Data.Common;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Alarms;

/// <summary>The alarms of one server: outlet, book and keeper over a store that others may share, and what it told.</summary>
internal sealed class AlarmServer
{
    public static readonly TimeSpan RepeatEvery = TimeSpan.FromHours(4);

    public AlarmServer(IStore store, RowAuthenticator rows, TimeProvider time)
    {
        Book = new AlarmBook(store, rows, time, View, new AlarmTeller(Told));
        Outlet = new AlarmOutlet(NullLogger<AlarmOutlet>.Instance, Book);
        Keeper = new AlarmKeeper(Book, Outlet, store, new AlarmsConfiguration(null, RepeatEvery), time, NullLogger<AlarmKeeper>.Instance);
    }

    public AlarmView View { get; } = new();

    public AlarmBook Book { get; }

    public AlarmOutlet Outlet { get; }

    public AlarmKeeper Keeper { get; }

    public ToldAlarms Told { get; } = new();

    public Task RaiseAsync(AlarmKind kind = AlarmKind.KeyAging, string subject = "ehr/one", string message = "It is 170 days old.") =>
        Outlet.RaiseAsync(kind, subject, message, CancellationToken.None);

    public Task ClearAsync(AlarmKind kind = AlarmKind.KeyAging, string subject = "ehr/one") => Outlet.ClearAsync(kind, subject, CancellationToken.None);

    public Task LookAsync() => Keeper.LookAsync(CancellationToken.None);

    /// <summary>A round that cannot read the store.</summary>
    public Task LookWhileBrokenAsync() => Assert.ThrowsAsync<StoreUnavailableException>(LookAsync);
}

/// <summary>Lines that an <see cref="AlarmTeller"/> wrote, as "6000 text".</summary>
internal sealed class ToldAlarms : ILogger<AlarmTeller>
{
    private readonly Lock gate = new();
    private readonly List<(int Id, string Text)> lines = [];

    public int Raised => Count(6000);

    public int Cleared => Count(6001);

    public int Repeated => Count(6002);

    public int Acknowledged => Count(6003);

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (gate)
                return [.. lines.Select(line => $"{line.Id} {line.Text}")];
        }
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (gate)
            lines.Add((eventId.Id, formatter(state, exception)));
    }

    private int Count(int id)
    {
        lock (gate)
            return lines.Count(line => line.Id == id);
    }
}

/// <summary>A store in front of the real one that a test can break: then nothing is read and nothing is written.</summary>
internal sealed class BreakableStore(IStore inner) : IStore
{
    public bool Broken { get; set; }

    /// <summary>While set, commits do not come back.</summary>
    public TaskCompletionSource? Hangs { get; set; }

    public int Slot => inner.Slot;

    public long LastSequence => inner.LastSequence;

    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken)
    {
        Demand();
        return inner.ReadAsync(read, cancellationToken);
    }

    public async Task<CommitReceipt> CommitAsync(AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken)
    {
        if (Hangs is { } hangs)
            await hangs.Task;
        Demand();
        return await inner.CommitAsync(record, change, cancellationToken);
    }

    public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) => inner.WaitForRecordAsync(sequence, cancellationToken);

    public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => inner.TryTakeRoleAsync(role, cancellationToken);

    public ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    public ValueTask DisposeAsync() => default;

    private void Demand()
    {
        if (Broken)
            throw new StoreUnavailableException("The disk is full.");
    }
}
