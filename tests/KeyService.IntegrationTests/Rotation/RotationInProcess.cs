using KeyService.Crypto;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Service;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Rotation;
using KeyService.Server.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>The rotation over a real store and token in this process, with a clock and a backup gate that a test moves.</summary>
internal sealed class RotationInProcess : IAsyncDisposable
{
    private RotationInProcess(KeyRingInProcess keys, StandingTime time, ActivationGate gate)
    {
        Keys = keys;
        Time = time;
        Ledger = new RotationLedger(keys.Store);
        Alarms = new AlarmBook(keys.Store, keys.Rows, time, new AlarmView(), new AlarmTeller(NullLogger<AlarmTeller>.Instance));
        Rotation = new KeyRotation(keys.Store, keys.Rows, keys.Maker, keys.Changes, gate, new AlarmOutlet(NullLogger<AlarmOutlet>.Instance, Alarms), time);
        Worker = NewWorker();
    }

    public KeyRingInProcess Keys { get; }

    public StandingTime Time { get; }

    public RotationLedger Ledger { get; }

    public AlarmBook Alarms { get; }

    public KeyRotation Rotation { get; }

    public RotationWorker Worker { get; private set; }

    /// <param name="gate">Whether a version stands in enough verified bundles; null where no backup is demanded.</param>
    public static async Task<RotationInProcess> StartAsync(SoftHsmDirectory softHsm, Func<KeyVersionId, bool>? gate = null)
    {
        var time = new StandingTime();
        var keys = await KeyRingInProcess.StartAsync(softHsm, time);
        await keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.InstallationCreated), transaction => new RegisterState(keys.Rows).BeginAsync(transaction, AlarmTable.Name), default);
        return new RotationInProcess(keys, time, new ActivationGate(gate is not null, (version, _) => Task.FromResult(gate?.Invoke(version) ?? true), () => { }));
    }

    /// <summary>Looks until nothing is left to do.</summary>
    public async Task SettleAsync()
    {
        while (await Worker.LookAsync(1000, default) > 0)
        {
        }
    }

    /// <summary>What a restart of the server does: nothing is in memory.</summary>
    public void Restart()
    {
        Keys.Restart();
        Worker.Dispose();
        Worker = NewWorker();
    }

    public async ValueTask DisposeAsync()
    {
        Worker.Dispose();
        await Keys.DisposeAsync();
    }

    private RotationWorker NewWorker() => new(
        Keys.Store, Keys.Ring, Rotation, Keys.Changes, Ledger, new RotationConfiguration(), Time, NullLogger<RotationWorker>.Instance);
}

/// <summary>A clock that stands until a test moves it.</summary>
internal sealed class StandingTime : TimeProvider
{
    private DateTimeOffset _now = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => _now;

    public void Pass(TimeSpan by) => _now += by;
}
