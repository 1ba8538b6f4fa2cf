using System.Runtime.InteropServices;

namespace KeyService.Crypto;

/// <summary>What a process that holds keys switches off at its start.</summary>
public static partial class ProcessHardening
{
    private const int SetDumpable = 4;
    private const int CoreFileSize = 4; // RLIMIT_CORE of Linux
    private const int LockCurrent = 1;
    private const int LockFuture = 2;
    private const int LockOnFault = 4; // pages as they are touched: the heap of a runtime reserves far more than it uses

    /// <summary>
    /// No core dumps and no attaching debugger of the same user: prctl PR_SET_DUMPABLE 0, which execve sets back in children, and RLIMIT_CORE 0,
    /// which children keep: plaintext passes through a pg_dump as well.
    /// </summary>
    /// <returns>False where the system has no such switches, or refuses one.</returns>
    public static bool DisableCoreDumps() =>
        OperatingSystem.IsLinux() && (Prctl(SetDumpable, 0, 0, 0, 0) | SetResourceLimit(CoreFileSize, default)) == 0;

    /// <summary>
    /// Keeps all memory of the process out of swap space, what it will take included: mlockall. For a process that is short and handles little else than
    /// secrets; it may take more memory than the limit of an ordinary user allows.
    /// </summary>
    /// <returns>False where the system has no such call, or refuses it.</returns>
    public static bool TryLockMemory() => OperatingSystem.IsLinux() && LockAllMemory(LockCurrent | LockFuture | LockOnFault) == 0;

    [LibraryImport("libc", EntryPoint = "mlockall")]
    private static partial int LockAllMemory(int flags);

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
