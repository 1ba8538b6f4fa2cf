using System.Globalization;

namespace KeyService.Load;

/// <summary>CPU time of a process, all its threads, from /proc.</summary>
internal static class ProcessTime
{
    private const double TicksPerSecond = 100;

    public static double CpuSeconds(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        // The name in parentheses may hold spaces: fields are counted behind it. utime and stime are the 12th and 13th there.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }
}
