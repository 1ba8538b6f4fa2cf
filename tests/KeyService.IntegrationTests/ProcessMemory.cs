using System.Globalization;

namespace KeyService.IntegrationTests;

/// <summary>Resident memory of a process, from /proc.</summary>
internal static class ProcessMemory
{
    public static long ResidentMebibytes(int pid) => Read(pid, "VmRSS:");

    private static long Read(int pid, string name)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
