using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Keys;

/// <summary><c>keyservice key impact NAME</c></summary>
internal static class KeyImpactCommand
{
    public static Command Create()
    {
        var name = KeyCommands.Name();
        return new Command("impact", "Show who uses a key, what depends on it, and what breaks when it is suspended") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            var impact = await client.Keys.GetImpactAsync(run.Get(name), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(new Record
            {
                ["name"] = impact.Name,
                ["when_suspended"] = Breaks(impact),
                ["uses"] = impact.Uses.Select(Of).ToList(),
                ["dependencies"] = impact.Dependencies.Select(Of).ToList(),
            });
            if (!run.Quiet)
            {
                // An empty list must not read as "nobody uses it".
                await Console.Error.WriteLineAsync("What was done in the last minute may not be in it yet; keyservice audit tail shows it.").WaitAsync(run.Cancellation)
                    .ConfigureAwait(false);
            }
        });
    }

    // Who only decrypts goes on, unless the suspension stops decryption too.
    private static List<string> Breaks(GetKeyImpactResponse impact)
    {
        var lines = new List<string>();
        foreach (var principal in impact.Uses.GroupBy(use => use.Principal, StringComparer.Ordinal).OrderBy(uses => uses.Key, StringComparer.Ordinal))
        {
            var encrypts = principal.Any(use => use.ProtectedItems > 0);
            var decrypts = principal.Any(use => use.ProcessedItems > 0);
            lines.Add($"{principal.Key} {(encrypts ? "cannot encrypt" : "goes on decrypting")}"
                + (encrypts && decrypts ? ", goes on decrypting" : "")
                + (decrypts ? " (not with --stop-decryption)" : ""));
        }
        return lines;
    }

    private static Record Of(KeyUse use) => new()
    {
        ["principal"] = use.Principal,
        ["version"] = use.Version,
        ["protected_items"] = use.ProtectedItems,
        ["protected_bytes"] = use.ProtectedBytes,
        ["processed_items"] = use.ProcessedItems,
        ["processed_bytes"] = use.ProcessedBytes,
        ["first_time"] = Times.Of(use.FirstTime),
        ["last_time"] = Times.Of(use.LastTime),
    };

    private static Record Of(KeyDependency dependency) => new()
    {
        ["version"] = dependency.KeyVersion,
        ["kind"] = EnumNames.Of(dependency.Kind),
        ["subject"] = dependency.Subject,
        ["items"] = dependency.Items,
        ["until_time"] = Times.Of(dependency.UntilTime),
        ["detail"] = dependency.Detail,
    };
}
