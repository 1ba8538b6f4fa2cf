using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Benchmarks.Archives;

/// <summary>
/// A large file to /dev/null, by this code and by age, in turn; each run is a process of its own, start-up included. Medians of wall time and of CPU time: the
/// first is what a user sees on a quiet machine, the second holds on a busy one. The command's own way (client, service, HSM, pipes) is measured by perf/files.sh.
/// <c>KeyService.Benchmarks archive-file [MiB, default 2048] [rounds, default 9]</c>
/// </summary>
internal static class FileReport
{
    public static void Run(string[] arguments)
    {
        int mebibytes = arguments.Length > 0 ? int.Parse(arguments[0], CultureInfo.InvariantCulture) : 2048;
        int rounds = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 9;
        string directory = Directory.CreateTempSubdirectory("ks-archive-perf-").FullName;
        try
        {
            string input = Path.Combine(directory, "input");
            WriteRandom(input, mebibytes);
            Compare(directory, input, mebibytes, rounds);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>One run in this process: <c>archive-file-once encrypt|decrypt INPUT OUTPUT</c>.</summary>
    public static async Task RunOnce(string[] arguments)
    {
        await using Stream input = new FileStream(arguments[1], FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        await using Stream output = new FileStream(arguments[2], FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        using var key = new SecretBuffer(32);
        key.DangerousSpan[0] = 1;
        if (arguments[0] == "encrypt")
        {
            byte[] wrapped = new byte[WrappedDataKey.Length];
            WrappedDataKey.Write(wrapped, new KeyVersionId(7), new byte[12], new byte[48]);
            await ArchiveEncryptor.EncryptAsync(input, output, wrapped, key, ArchiveHeader.NewArchiveId(), EncryptionContext.Empty, "input");
        }
        else
        {
            ArchiveHeader header = await ArchiveDecryptor.ReadHeaderAsync(input);
            await ArchiveDecryptor.DecryptAsync(input, header, key, output);
        }

        using Process self = Process.GetCurrentProcess();
        Console.Error.WriteLine($"peak {self.PeakWorkingSet64 >> 20} MiB");
    }

    private static void Compare(string directory, string input, int mebibytes, int rounds)
    {
        string self = Environment.ProcessPath!;
        string identity = Path.Combine(directory, "identity");
        Shell($"age-keygen -o '{identity}' 2>/dev/null");
        Shell($"age -e -i '{identity}' -o '{input}.age' '{input}'");
        Shell($"'{self}' archive-file-once encrypt '{input}' '{input}.ksa'");
        (string Work, string Ours, string Age)[] works =
        [
            ("encrypt file", $"'{self}' archive-file-once encrypt '{input}' /dev/null", $"age -e -i '{identity}' -o /dev/null '{input}'"),
            ("decrypt file", $"'{self}' archive-file-once decrypt '{input}.ksa' /dev/null", $"age -d -i '{identity}' -o /dev/null '{input}.age'"),
        ];
        Console.WriteLine($"{mebibytes} MiB to /dev/null, medians of {rounds} interleaved rounds, {Environment.ProcessorCount} processors, load {File.ReadAllText("/proc/loadavg").Trim()}");
        Console.WriteLine("| work | GB/s | age GB/s | wall ratio | CPU s | age CPU s | CPU ratio | peak MiB |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        foreach ((string work, string ours, string age) in works)
        {
            var measured = Enumerable.Range(0, rounds).Select(_ => (Ours: Shell(ours), Age: Shell(age))).ToArray();
            double wall = Median(measured.Select(round => round.Ours.Wall)), cpu = Median(measured.Select(round => round.Ours.Cpu));
            double ageWall = Median(measured.Select(round => round.Age.Wall)), ageCpu = Median(measured.Select(round => round.Age.Cpu));
            double gigabytes = mebibytes * 1048576.0 / 1e9;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {work} | {gigabytes / wall:F2} | {gigabytes / ageWall:F2} | {ageWall / wall:F2} | {cpu:F2} | {ageCpu:F2} | {ageCpu / cpu:F2} | {measured.Max(round => round.Ours.Peak)} |"));
        }
    }

    /// <summary>Wall and CPU seconds of a command line as bash's time tells them, and what it said of its peak memory.</summary>
    private static (double Wall, double Cpu, int Peak) Shell(string command)
    {
        var start = new ProcessStartInfo("bash", ["-c", $"TIMEFORMAT='time %R %U %S'; time {{ {command}; }}"]) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        string[] lines = process.StandardError.ReadToEnd().Split('\n');
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"Exit code {process.ExitCode}: {command}\n{string.Join('\n', lines)}");
        }

        double[] times = [.. lines.Single(line => line.StartsWith("time ", StringComparison.Ordinal))[5..].Split(' ').Select(time => double.Parse(time, CultureInfo.InvariantCulture))];
        string? peak = lines.FirstOrDefault(line => line.StartsWith("peak ", StringComparison.Ordinal));
        return (times[0], times[1] + times[2], peak is null ? 0 : int.Parse(peak.Split(' ')[1], CultureInfo.InvariantCulture));
    }

    private static void WriteRandom(string path, int mebibytes)
    {
        byte[] block = RandomNumberGenerator.GetBytes(1 << 20);
        using FileStream file = File.Create(path);
        for (int i = 0; i < mebibytes; i++)
        {
            block[0] = (byte)i;
            file.Write(block);
        }
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);
}
