using System.Threading.Channels;
using Grpc.Health.V1;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.SystemStatus;

/// <summary>
/// Looks at token, store and audit every few seconds and tells grpc.health.v1: SERVING only while all are well. A probe that
/// does not come back within its limit counts as failed; the next one is tried only after it did.
/// </summary>
internal sealed class HealthProbe(
    HsmToken hsm, IStore store, CallRecorder recorder, ServerHealth health, IHostApplicationLifetime lifetime,
    TimeProvider time, HealthLog log, TlsFiles? tls = null, StoreTrust? trust = null, ClockGuard? clock = null) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan EveryWhileUnwell = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan ExpiryWarning = TimeSpan.FromDays(30);

    private readonly Dictionary<string, Task<ComponentHealth>> _running = [];
    private readonly Channel<bool> _soon = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private volatile IReadOnlyList<ComponentHealth> _components = [];
    private volatile bool _isServing = true;

    /// <summary>The services whose health is told, beside "" for the whole server.</summary>
    public IReadOnlyList<string> Services { get; } =
        ["", "keyservice.v1.Keys", "keyservice.v1.DataKeys", "keyservice.v1.Cipher", "keyservice.v1.Access", "keyservice.v1.Audit",
            "keyservice.v1.System", "keyservice.v1.Store", "keyservice.v1.Alarms", "keyservice.v1.Rotation"];

    /// <summary>What the last round saw; empty before the first.</summary>
    public IReadOnlyList<ComponentHealth> Components => _components;

    /// <summary>Asks for a round before the next is due: a load balancer should hear at once of an HSM that was lost or is back.</summary>
    public void LookSoon() => _soon.Writer.TryWrite(true);

    /// <summary>One round now.</summary>
    public async Task<bool> LookAsync()
    {
        var begun = time.GetTimestamp();
        var found = await Task.WhenAll(ProbeAsync("hsm", ProbeHsmAsync), ProbeAsync("store", ProbeStoreAsync));
        ComponentHealth[] components = [.. found, LookAtAudit(found[1], begun), LookAtTls(), LookAtMemory(), .. LookAtTrust()];
        var before = _components;
        _components = components;
        foreach (var component in components)
        {
            var known = before.FirstOrDefault(old => old.Name == component.Name);
            if (known is not null && known.Healthy != component.Healthy)
                log.Changed(component);
        }
        var serving = components.All(component => component.Healthy) && !lifetime.ApplicationStopping.IsCancellationRequested;
        Tell(serving);
        return serving;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Before the server stops listening, so that a load balancer sends nothing more.
        await using var stop = lifetime.ApplicationStopping.Register(() => Tell(serving: false));
        try
        {
            while (true)
            {
                await WaitAsync(stoppingToken);
                await LookOnceAsync();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    // Until the next round is due, or somebody wants it sooner.
    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        await Task.WhenAny(_soon.Reader.WaitToReadAsync(enough.Token).AsTask(), Task.Delay(_isServing ? Every : EveryWhileUnwell, time, enough.Token));
        await enough.CancelAsync();
        _soon.Reader.TryRead(out _);
        stoppingToken.ThrowIfCancellationRequested();
    }

    // A round that fails is no reason to stop the server, which an exception out of a background service would do.
    private async Task LookOnceAsync()
    {
        try
        {
            await LookAsync();
        }
        catch (Exception exception)
        {
            log.RoundFailed(exception);
            Tell(serving: false);
        }
    }

    private void Tell(bool serving)
    {
        _isServing = serving;
        var status = serving ? HealthCheckResponse.Types.ServingStatus.Serving : HealthCheckResponse.Types.ServingStatus.NotServing;
        foreach (var service in Services)
            health.SetStatus(service, status);
    }

    // The watchdog: whatever a component does, the round ends.
    private async Task<ComponentHealth> ProbeAsync(string name, Func<Task<ComponentHealth>> probe)
    {
        if (_running.TryGetValue(name, out var before) && !before.IsCompleted)
            return new ComponentHealth(name, false, "The probe before has not come back.", Limit);
        var task = _running[name] = Task.Run(probe);
        try
        {
            return await task.WaitAsync(Limit, time);
        }
        catch (TimeoutException)
        {
            return new ComponentHealth(name, false, $"No answer within {Limit.TotalSeconds:0} s.", Limit);
        }
        catch (Exception exception)
        {
            return new ComponentHealth(name, false, exception.Message, TimeSpan.Zero);
        }
    }

    private async Task<ComponentHealth> ProbeHsmAsync()
    {
        var found = await hsm.ProbeAsync(CancellationToken.None);
        return new ComponentHealth("hsm", found.State == HsmState.Healthy, found.Message, found.Duration);
    }

    private async Task<ComponentHealth> ProbeStoreAsync()
    {
        var found = await store.ProbeAsync(CancellationToken.None);
        return new ComponentHealth("store", found.Healthy, found.Detail, found.ProbeLatency);
    }

    // The store's probe goes the way of a record. A record that failed since it began speaks against it; one that failed before does
    // not: a server that is sent no calls because of it could otherwise never get well.
    private ComponentHealth LookAtAudit(ComponentHealth storeFound, long begun)
    {
        var why = recorder.FailureSince(begun) ?? (storeFound.Healthy ? null : "The store takes no records.");
        return new ComponentHealth("audit", why is null, why ?? "", recorder.LastLatency);
    }

    // Calls can be answered without the lock, so it is said and does not stop the development profile.
    private static ComponentHealth LookAtMemory() => new(
        "memory", true, SecretArena.IsLocked ? "" : MemoryCheck.NotLocked + " " + MemoryCheck.Fix, TimeSpan.Zero);

    // Processing goes on in each of these states, so they are said and the server serves.
    private IEnumerable<ComponentHealth> LookAtTrust()
    {
        if (trust is not null)
            yield return new ComponentHealth("store-trust", true, trust.Difference is { } difference
                ? $"The database was put back to an earlier day: {difference}. Nothing is encrypted until an officer accepts it (keyservice store accept)."
                : trust.Scrub is { Report.IsClean: false } scrub ? $"Scrub of {scrub.Time:u}: {scrub.Report.Summary} (keyservice store scrub)." : "", TimeSpan.Zero);
        if (clock is not null)
            yield return new ComponentHealth("clock", true, clock.Behind > TimeSpan.Zero
                ? $"The clock stands {ClockGuard.Length(clock.Behind)} before the latest time that was seen. Nothing is encrypted until it is right."
                : clock.PaceOfBacklog ? "The clock jumped forward by more than a day within the last 24 hours." : "", TimeSpan.Zero);
    }

    private ComponentHealth LookAtTls()
    {
        if (tls is null)
            return new ComponentHealth("tls", true, "No TCP listener.", TimeSpan.Zero);
        var end = new DateTimeOffset(tls.Current.Certificate.NotAfter.ToUniversalTime());
        var left = end - time.GetUtcNow();
        if (left <= TimeSpan.Zero)
            return new ComponentHealth(
                "tls", false, $"The server certificate ended {end:u}. Put a new one there; it is read without a restart.", TimeSpan.Zero);
        if (tls.Rejected is { } rejected)
            return new ComponentHealth("tls", true, $"The changed files cannot be used, the ones before stay: {rejected}", TimeSpan.Zero);
        return new ComponentHealth(
            "tls", true, left < ExpiryWarning ? $"The server certificate ends {end:u}: renew it." : "", TimeSpan.Zero);
    }
}
