using System.Runtime.InteropServices;

namespace KeyService.Crypto;

/// <summary>What a process that holds keys switches off at its start.</summary>
public static partial class ProcessHardening
{
    private const int SetDumpable = 4;

    /// <summary>
    /// No core dumps and no attaching debugger of the same user (prctl PR_SET_DUMPABLE 0). The children it starts are not affected: execve
    /// sets the flag again.
    /// </summary>
    /// <returns>False where the system has no such switch, or refuses it.</returns>
    public static bool DisableCoreDumps() => OperatingSystem.IsLinux() && Prctl(SetDumpable, 0, 0, 0, 0) == 0;

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);
}
