using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.SystemStatus;

namespace KeyService.Server.Hosting;

/// <summary><c>serve</c>: runs until SIGTERM or SIGINT, then lets calls in progress end.</summary>
internal static class ServeCommand
{
    public static async Task<ExitCode> RunAsync(string configurationPath, CancellationToken cancellation)
    {
        // Before anything secret is in memory.
        var hardened = ProcessHardening.DisableCoreDumps();
        CrashDumps.Refuse();
        var configuration = ConfigurationFile.Load(configurationPath);
        var time = TimeProvider.System;
        if (configuration.Listen.UnixSocket is { } path)
            UnixSocketListener.RemoveStale(path);
        var hsmEvents = new HsmEvents();
        await using var core = await ServiceCore.OpenAsync(configuration, time, hsmEvents.Add, cancellation);
        await using var server = ServerHost.Build(configuration, core, time);
        hsmEvents.AttachTo(server.Services.GetRequiredService<ILogger<HsmToken>>(), server.Services.GetRequiredService<HealthProbe>().LookSoon);
        Banner.Write(Console.Error, configuration, core, hardened);

        if (await LostStreams.RecordAsync(core.Store, cancellation) is > 0 and var lost)
            await Console.Error.WriteLineAsync(
                $"Warning: the server before did not end orderly; {lost} streams were open. They are in the audit log.");
        await core.Store.CommitAsync(Lifecycle(AuditEvent.ServiceStarted, configuration), null, CancellationToken.None);
        await server.Services.GetRequiredService<HealthProbe>().LookAsync();
        await server.StartAsync(cancellation);
        if (configuration.Listen.UnixSocket is { } socket && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(socket, configuration.Listen.UnixSocketMode);
        await Console.Out.WriteLineAsync($"keyservice: serving on {Banner.Addresses(configuration)}");
        await Console.Out.FlushAsync(CancellationToken.None);

        try
        {
            await server.WaitForShutdownAsync(CancellationToken.None);
        }
        catch (OperationCanceledException)
        {
            // limits.shutdownSeconds were over before every call had ended: the rest was cut off, and this is an orderly stop all the same.
        }
        await core.Store.CommitAsync(Lifecycle(AuditEvent.ServiceStopped, configuration), null, CancellationToken.None);
        return ExitCode.Ok;
    }

    private static AuditRecordDraft Lifecycle(AuditEvent auditEvent, ServerConfiguration configuration) => new(auditEvent)
    {
        Automated = true,
        Source = Environment.MachineName,
        Detail = $"version {SystemRpcs.Version}, profile {configuration.Profile.ToString().ToLowerInvariant()}, "
            + $"process {Environment.ProcessId}",
    };
}
