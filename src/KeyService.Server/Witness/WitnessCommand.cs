using KeyService.Crypto;
using KeyService.Server.Hosting;

namespace KeyService.Server.Witness;

/// <summary><c>witness init|key|serve</c>: what the operator of a witness runs, on a machine that nobody of the log's operator reaches.</summary>
internal static class WitnessCommand
{
    /// <summary>Makes the key and says its public half.</summary>
    public static ExitCode Init(string configurationPath)
    {
        var configuration = WitnessConfiguration.Load(configurationPath);
        WitnessKey.Create(configuration.KeyFile);
        return Key(configurationPath);
    }

    /// <summary>Says the public key.</summary>
    public static ExitCode Key(string configurationPath)
    {
        var configuration = WitnessConfiguration.Load(configurationPath);
        using var key = WitnessKey.Open(configuration.KeyFile, configuration.Name);
        Console.Out.WriteLine(key.Verifier);
        return ExitCode.Ok;
    }

    /// <summary>Cosigns until SIGTERM or SIGINT.</summary>
    public static async Task<ExitCode> ServeAsync(string configurationPath, CancellationToken cancellation)
    {
        _ = ProcessHardening.DisableCoreDumps();
        CrashDumps.Refuse();
        var configuration = WitnessConfiguration.Load(configurationPath);
        using var key = WitnessKey.Open(configuration.KeyFile, configuration.Name);
        using var state = WitnessState.Open(configuration.StateDirectory, key.Verifier);
        await using var application = WitnessHost.Build(configuration, key, state, TimeProvider.System);
        await application.StartAsync(cancellation);
        await Console.Out.WriteLineAsync($"keyservice: witness {configuration.Name} on {(configuration.CertificatePath is null ? "http" : "https")}://{configuration.Listen}");
        await Console.Out.FlushAsync(CancellationToken.None);
        await application.WaitForShutdownAsync(CancellationToken.None);
        return ExitCode.Ok;
    }
}
