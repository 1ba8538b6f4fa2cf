namespace KeyService.Server.Hosting;

/// <summary>
/// The runtime's own dumps: when it is told to by its environment, a crashing process starts createdump, which (as root, or with CAP_SYS_PTRACE) reads
/// the process whatever it switched off, and writes keys into a file.
/// </summary>
internal static class CrashDumps
{
    private static readonly string[] Variables = ["DOTNET_DbgEnableMiniDump", "COMPlus_DbgEnableMiniDump"];

    /// <exception cref="StartUpException">The environment asks for dumps.</exception>
    public static void Refuse()
    {
        foreach (var variable in Variables)
        {
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value && value.Trim('0').Length > 0)
            {
                throw new StartUpException(ExitCode.Configuration,
                    $"{variable} is set: a crash would write the keys in memory to a file. Unset it; traces and metrics go on by OpenTelemetry.");
            }
        }
    }
}
