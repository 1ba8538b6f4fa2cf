using System.Runtime.InteropServices;

namespace KeyService.Server.Hosting;

/// <summary>
/// The clock: certificates, grants, rotation and the audit log rest on it. It must not stand before the newest record of the
/// log, and something should keep it right.
/// </summary>
internal static partial class ClockCheck
{
    private const string Check = "clock";

    // sizeof(struct timex) is 208 on 64-bit Linux; modes = 0 only reads. TIME_ERROR: not synchronised (adjtimex(2)).
    private const int TimexBytes = 208;
    private const int TimeError = 5;

    /// <param name="now">The clock.</param>
    /// <param name="newestRecord">Time of the newest audit record; null when there is none.</param>
    public static IEnumerable<Finding> Run(DateTimeOffset now, DateTimeOffset? newestRecord)
    {
        if (newestRecord > now)
        {
            yield return Finding.Problem(Check, $"The clock says {now:u}, but the newest audit record is of {newestRecord:u}.",
                "Set the clock (NTP). Until then times in the log and rotation cannot be trusted.");
        }
        else
        {
            yield return Finding.Good(Check, $"The clock says {now:u}, after the newest audit record.");
        }
        if (OperatingSystem.IsLinux() && AdjustTime(new byte[TimexBytes]) == TimeError)
        {
            yield return Finding.Warning(Check, "The kernel says that nothing keeps the clock synchronised.",
                "Run an NTP client (systemd-timesyncd, chrony) on this host; inside a container this is the host's matter.");
        }
    }

    [LibraryImport("libc", EntryPoint = "adjtimex")]
    private static partial int AdjustTime(byte[] timex);
}
