using System.Globalization;
using System.Net.NetworkInformation;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;

namespace KeyService.Cli.Ceremonies;

/// <summary>The machine on which the ceremony is held: what runs on it, and what it is connected to.</summary>
internal static class StationSteps
{
    public static async Task ExamineAsync(CeremonyRun run, CancellationToken cancellation)
    {
        run.Fact("software.keyservice", await HashOfSoftwareAsync(AppContext.BaseDirectory, cancellation).ConfigureAwait(false));
        run.Fact("software.script", Convert.ToHexStringLower(run.Script.Hash));
        run.Fact("station.system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}");
        run.Fact("station.memory", ProcessHardening.TryLockMemory() ? "locked" : "not locked");
        var networks = Networks();
        Demand(run, "station.network", networks.Count == 0, networks.Count == 0 ? "none" : string.Join(", ", networks),
            "The station is connected to a network. Everything secret in this ceremony passes through its memory.");
        var swap = HasSwap();
        Demand(run, "station.swap", !swap, swap ? "on" : "off", "The station has swap space: memory may be written to a disk.");
        var now = run.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        if (run.Desk.Ask($"The station's clock says {now} UTC. Press Enter if your watch agrees; otherwise type what it says.") is { Length: > 0 } watch)
        {
            run.Deviate("2", $"The station's clock says {now} UTC, a watch says {watch}.");
        }
    }

    private static void Demand(CeremonyRun run, string fact, bool holds, string text, string otherwise)
    {
        run.Fact(fact, text);
        if (!holds)
        {
            run.Deviate("2", otherwise);
        }
    }

    /// <summary>SHA-256 of a line "hash, two spaces, name" for each file of the program, in the order of names: what sha256sum would print.</summary>
    internal static async Task<string> HashOfSoftwareAsync(string directory, CancellationToken cancellation)
    {
        var list = new StringBuilder();
        foreach (var file in System.IO.Directory.EnumerateFiles(directory, "*.dll").Select(Path.GetFileName).Order(StringComparer.Ordinal))
        {
            var stream = File.OpenRead(Path.Combine(directory, file!));
            await using (stream.ConfigureAwait(false))
            {
                list.Append(Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation).ConfigureAwait(false))).Append("  ").Append(file).Append('\n');
            }
        }
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(list.ToString())));
    }

    private static List<string> Networks() =>
    [
        .. NetworkInterface.GetAllNetworkInterfaces()
            .Where(each => each.NetworkInterfaceType != NetworkInterfaceType.Loopback && each.OperationalStatus == OperationalStatus.Up).Select(each => each.Name),
    ];

    // A line of headings, then one for each.
    private static bool HasSwap() => File.Exists("/proc/swaps") && File.ReadLines("/proc/swaps").Skip(1).Any();
}
