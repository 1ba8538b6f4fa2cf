using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Processes;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Restore;

namespace KeyService.Cli.Ceremonies;

/// <summary>Every key of a bundle comes back: onto a scratch token for a drill, or into a new installation.</summary>
internal static class RestoreSteps
{
    private const string ServerFact = "software.server";
    private static readonly TimeSpan Target = TimeSpan.FromHours(72);

    /// <summary>Custodians bring the key together; it must be the one that the bundles are under.</summary>
    public static async Task CombineAsync(CeremonyRun run, string step, CancellationToken cancellation)
    {
        if (run.BackupKey is null)
        {
            ShareCollection.Recall(run, step);
        }
        var chain = await BundleSteps.ChainAsync(run.Plan.Bundles, run.Plan.BundleKey, cancellation).ConfigureAwait(false);
        var id = Convert.ToHexStringLower(BackupKeyId.Of(run.BackupKey!));
        if (id != chain.BackupKeyId)
        {
            run.Forget(); // the step asks again
        }
        run.Compare(step, "backup key of the bundles", id, chain.BackupKeyId);
    }

    public static async Task ProveAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var began = Stopwatch.GetTimestamp();
        var chain = await BundleSteps.ChainAsync(run.Plan.Bundles, run.Plan.BundleKey, cancellation).ConfigureAwait(false);
        await run.Token.InitializeHierarchyAsync(null, cancellation).ConfigureAwait(false);
        var counts = await new BundleRestore(run.Token, run.BackupKey!, chain).ProveAsync(new DeskProgress(run.Desk), cancellation).ConfigureAwait(false);
        var took = Stopwatch.GetElapsedTime(began);
        run.Observe("6", string.Create(CultureInfo.InvariantCulture,
            $"{counts.Versions} versions came under the root of token {run.Token.TokenId}: each opened its check value and its bulk key. {counts.Destroyed} destroyed ones stay so. The integrity key opened too."));
        run.Fact("restore.seconds", string.Create(CultureInfo.InvariantCulture, $"{took.TotalSeconds:F1}, of the ceremony {run.Elapsed.TotalSeconds:F0}, where {Target.TotalHours:F0} hours are allowed"));
    }

    /// <summary>
    /// The scratch token is initialised again, which destroys every key on it; where nobody has its security officer's PIN, its root key is destroyed, and
    /// with it everything that came under it.
    /// </summary>
    public static async Task WipeAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var (label, serial) = (run.RecordedFact("hsm.label")!, run.RecordedFact("hsm.serial")!);
        run.Forget();
        if (run.Plan.OfficerPinFile is { } pin)
        {
            await run.CloseTokenAsync().ConfigureAwait(false);
            var module = run.Plan.Token!.ModulePath;
            // Some modules give a new serial number with it, so a process that was killed behind it leaves a token that is not found any more.
            if (run.Journal.StepsOfEarlierProcess.Contains("7") && TokenProvisioning.IsWiped(module, label, serial, run.Plan.Token.NssParameters))
            {
                run.Observe("7", $"Token '{label}' ({serial}) was initialised again before the ceremony was interrupted: there is none of that serial number any more, and the one of that label has no user PIN.");
            }
            else
            {
                TokenProvisioning.WipeToken(module, label, serial, pin, run.Plan.Token.NssParameters);
                run.Observe("7", $"Token '{label}' ({serial}) was initialised again: nothing that came onto it is there any more.");
            }
        }
        else
        {
            await run.Token.DestroyScratchRootAsync(cancellation).ConfigureAwait(false);
            await run.CloseTokenAsync().ConfigureAwait(false);
            run.Compare("7", "keys of the hierarchy on the token", "none", run.Token.HasRoot ? "a root key" : "none");
            await run.CloseTokenAsync().ConfigureAwait(false);
        }
        run.Fact(KeyService.Crypto.Ceremonies.TranscriptVerdict.WithoutHsm, "The scratch token was wiped: it has no key left to sign with.");
    }

    /// <summary>The server makes the installation of its bundles; the key goes to it over a pipe.</summary>
    public static Task RestoreAsync(CeremonyRun run, CancellationToken cancellation) => RunServerAsync(
        run, ["restore", .. run.Plan.ServerArguments, .. run.Plan.Bundles.SelectMany(bundle => new[] { "--bundle", bundle }), "--signing-key", run.Plan.BundleKey!], cancellation);

    private static async Task RunServerAsync(CeremonyRun run, string[] arguments, CancellationToken cancellation)
    {
        await run.CloseTokenAsync().ConfigureAwait(false);
        var executable = ServerBinary.Find();
        var isRepeated = run.RecordedFact(ServerFact) is not null;
        run.Fact(ServerFact, await StationSteps.HashOfSoftwareAsync(Path.GetDirectoryName(executable)!, cancellation).ConfigureAwait(false));
        using var server = Process.Start(new ProcessStartInfo(executable, [.. arguments, "--backup-key-fd", "0", "--json"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        })!;
        var errors = server.StandardError.ReadToEndAsync(cancellation);
        HandOver(server, run.BackupKey!);
        JsonElement? standing = null;
        while (await server.StandardOutput.ReadLineAsync(cancellation).ConfigureAwait(false) is { } line)
        {
            standing = Tell(run, line) ?? standing;
        }
        await server.WaitForExitAsync(cancellation).ConfigureAwait(false);
        if (isRepeated && standing is { } restored)
        {
            run.Compare("6", "token that the store was restored onto", run.RecordedFact("hsm.serial")!, restored.GetProperty("token").GetString()!);
            Record(run, restored);
            run.Observe("6", "The installation stands: its store says that it was restored of these bundles, by the server that this ceremony had begun before it was interrupted. It proves so by its token when it is started.");
        }
        else if (server.ExitCode != 0)
        {
            throw new CliError(ExitCode.Failed, "SERVER_FAILED", $"The server's {arguments[0]} ended with code {server.ExitCode}: {(await errors.ConfigureAwait(false)).Trim()}",
                "Nothing counts before it says so; mend what it names, and try this step again: it goes on where it was.");
        }
    }

    private static void HandOver(Process server, SecretBuffer key)
    {
        try
        {
            using var pipe = server.StandardInput.BaseStream;
            pipe.Write(key.DangerousSpan);
        }
        catch (IOException)
        {
            // It ended before it read: its exit code says why.
        }
    }

    private static void Record(CeremonyRun run, JsonElement said)
    {
        foreach (var value in said.EnumerateObject().Where(each => each.Name != "event"))
        {
            run.Fact($"result.{value.Name.Replace('_', '-')}", value.Value.ToString());
        }
    }

    /// <returns>What the store says of a restore that has ended before.</returns>
    private static JsonElement? Tell(CeremonyRun run, string line)
    {
        using var document = JsonDocument.Parse(line);
        var said = document.RootElement;
        switch (said.GetProperty("event").GetString())
        {
            case "stage":
                run.Desk.Say($"  {said.GetProperty("stage").GetString()}");
                break;
            case "progress":
                run.Desk.Progress(string.Create(CultureInfo.InvariantCulture, $"{said.GetProperty("versions").GetInt64()} of {said.GetProperty("of").GetInt64()} versions"));
                break;
            case "restored":
                Record(run, said);
                break;
            case "stands":
                return said.Clone();
        }
        return null;
    }

    private sealed class DeskProgress(ICeremonyDesk desk) : IProgress<RestoreProgress>
    {
        public void Report(RestoreProgress value) => desk.Progress(string.Create(CultureInfo.InvariantCulture, $"{value.Versions} of {value.Of} versions"));
    }
}
