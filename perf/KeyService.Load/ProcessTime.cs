using System.Globalization;

namespace KeyService.Load;

/// <summary>CPU time of a process, all its threads, from /proc.</summary>
internal static class ProcessTime
{
    private const double TicksPerSecond = 100;

    /// <summary>utime and stime.</summary>
    public static double CpuSeconds(int pid) => Field(pid, 11) + Field(pid, 12);

    /// <summary>Of a process, its children that live, and those that it has waited for: a PostgreSQL with its backends.</summary>
    public static double WithChildrenCpuSeconds(int pid)
    {
        var seconds = CpuSeconds(pid) + Field(pid, 13) + Field(pid, 14);
        foreach (var child in Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0])))
        {
            try
            {
                var id = int.Parse(child!, CultureInfo.InvariantCulture);
                if (Parent(id) == pid)
                {
                    seconds += CpuSeconds(id);
                }
            }
            catch (IOException)
            {
                // It ended in between; its parent counts it.
            }
        }

        return seconds;
    }

    private static int Parent(int pid) => int.Parse(Fields(pid)[1], CultureInfo.InvariantCulture);

    private static double Field(int pid, int index) => long.Parse(Fields(pid)[index], CultureInfo.InvariantCulture) / TicksPerSecond;

    private static string[] Fields(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        // The name in parentheses may hold spaces: fields are counted behind it.
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }
}
