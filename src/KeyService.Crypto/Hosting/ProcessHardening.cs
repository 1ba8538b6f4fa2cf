using System.Runtime.InteropServices;

namespace KeyService.Crypto;

/// <summary>What a process that holds keys switches off at its start.</summary>
public static partial class ProcessHardening
{
    private const int SetDumpable = 4;
    private const int CoreFileSize = 4; // RLIMIT_CORE of Linux

    /// <summary>
    /// No core dumps and no attaching debugger of the same user: prctl PR_SET_DUMPABLE 0, which execve sets back in children, and RLIMIT_CORE 0,
    /// which children keep: plaintext passes through a pg_dump as well.
    /// </summary>
    /// <returns>False where the system has no such switches, or refuses one.</returns>
    public static bool DisableCoreDumps() =>
        OperatingSystem.IsLinux() && (Prctl(SetDumpable, 0, 0, 0, 0) | SetResourceLimit(CoreFileSize, default)) == 0;

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetResourceLimit(int resource, in ResourceLimit limit);

    private readonly struct ResourceLimit
    {
        public readonly nuint Current;
        public readonly nuint Maximum;
    }
}
