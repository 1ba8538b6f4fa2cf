using System.Runtime.InteropServices;

namespace KeyService.Server.Trust;

/// <summary>
/// Time since the machine started, its sleep included: CLOCK_BOOTTIME of Linux. The clock behind <see cref="TimeProvider.GetTimestamp"/> stands still while
/// a machine sleeps, so that a wake would look like a jump of the time of day.
/// </summary>
internal static partial class BootClock
{
    private const int BootTime = 7; // CLOCK_BOOTTIME, clock_gettime(2)

    /// <summary>Zero where there is no such clock.</summary>
    public static TimeSpan Read() => OperatingSystem.IsLinux() && GetTime(BootTime, out var now) == 0
        ? TimeSpan.FromSeconds(now.Seconds) + TimeSpan.FromTicks(now.Nanoseconds / 100)
        : TimeSpan.Zero;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
