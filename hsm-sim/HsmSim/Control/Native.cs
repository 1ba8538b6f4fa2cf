using System.Runtime.InteropServices;

namespace HsmSim.Control;

/// <summary>The few calls into libc for which the runtime has nothing that is exact enough.</summary>
internal static unsafe partial class Native
{
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const uint BasicStatistics = 0x7FF; // STATX_BASIC_STATS

    /// <summary>The variable as C sees it now; the runtime may have copied the environment long ago. Null when it is not set or empty.</summary>
    internal static string? Environment(string name) => Marshal.PtrToStringUTF8(GetEnvironment(name)) is { Length: > 0 } value ? value : null;

    /// <summary>Sleeps to the precision of the kernel's timers, some 50 microseconds; Thread.Sleep knows milliseconds only.</summary>
    internal static void Sleep(TimeSpan time)
    {
        if (time <= TimeSpan.Zero)
        {
            return;
        }
        var rest = new TimeSpecification((long)time.TotalSeconds, time.Ticks % TimeSpan.TicksPerSecond * 100);
        while (NanoSleep(&rest, &rest) != 0)
        {
            // A signal woke it: sleep the rest.
        }
    }

    /// <summary>Which state of a file this is: inode, size, and times of content and inode. False when there is no such file.</summary>
    internal static bool TryGetStamp(string path, out FileStamp stamp)
    {
        var buffer = stackalloc byte[256]; // struct statx, the same on every architecture
        if (Statx(CurrentDirectory, path, 0, BasicStatistics, buffer) != 0)
        {
            stamp = default;
            return false;
        }
        stamp = new FileStamp(
            *(ulong*)(buffer + 32), *(ulong*)(buffer + 40), *(long*)(buffer + 112), *(uint*)(buffer + 120), *(long*)(buffer + 96), *(uint*)(buffer + 104));
        return true;
    }

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetEnvironment(string name);

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int NanoSleep(TimeSpecification* time, TimeSpecification* rest);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct TimeSpecification(long Seconds, long Nanoseconds);
}

/// <summary>Names a state of a file; a renamed or rewritten one has another.</summary>
internal readonly record struct FileStamp(
    ulong Inode, ulong Size, long ModifiedSeconds, uint ModifiedNanoseconds, long ChangedSeconds, uint ChangedNanoseconds);
