using System.CommandLine;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Backups;
using KeyService.Protocol.V1;
using BundleKind = KeyService.Protocol.V1.BundleKind;

namespace KeyService.Cli.Backups;

/// <summary><c>keyservice backup …</c></summary>
internal static class BackupCommands
{
    public static Command Create() => new("backup", "Make, list and verify backup bundles of the service's keys")
    {
        Export(), List(), Check(), BundleVerifyCommand.Create(), SigningKey(),
    };

    private static Command Export()
    {
        var incremental = new Option<bool>("--incremental") { Description = "Only the versions that no bundle holds; otherwise every key" };
        var keys = new Option<string[]>("--key") { Description = "A key to give out with every version of it, to a file of yours; once for each", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var output = new Option<string?>("--output", "-o") { Description = "The file of such a selection", HelpName = "FILE" };
        var requestId = GlobalOptions.RequestId();
        return new Command("export", "Have a bundle written now and read back; with --key a selection, to a file of yours") { incremental, keys, output, requestId }.WithNotes("""
            A selection (--key NAME… -o FILE) is for whoever is to open just those keys. It counts nowhere as a backup, and no installation is restored from it.
            """).Runs(async run =>
        {
            if (run.Get(keys) is { Length: > 0 } names)
            {
                if (run.Get(incremental) || run.Get(requestId) is not null)
                {
                    throw CliError.Usage("A selection is neither incremental nor asked for again by an id.", "Leave --incremental and --request-id out, or --key.");
                }
                await SelectAsync(run, names, run.Get(output) ?? throw CliError.Usage("A selection needs a file.", "Name it: --output FILE.")).ConfigureAwait(false);
                return;
            }
            if (run.Get(output) is not null)
            {
                throw CliError.Usage("The service writes its bundles to its own destinations.", "--output is for a selection: name its keys with --key.");
            }
            using var client = run.Connect();
            var kind = run.Get(incremental) ? BundleKind.Incremental : BundleKind.Full;
            run.Report.Write(BundleRecords.Of(await client.Backups.ExportAsync(kind, run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static async Task SelectAsync(Invocation run, string[] names, string path)
    {
        using var file = OutputFile.Create(path, force: false);
        using var client = run.Connect();
        var bytes = (await client.Backups.ExportSelectionAsync(names, run.Cancellation).ConfigureAwait(false)).ToArray();
        using var stream = new MemoryStream(bytes, writable: false);
        using var reader = await BundleReader.OpenAsync(stream, run.Cancellation).ConfigureAwait(false);
        while (await reader.ReadAsync(run.Cancellation).ConfigureAwait(false) != BundleItem.End)
        {
        }
        if (reader.Header.Kind != Crypto.Backups.BundleKind.Selection || reader.Verified!.KeyCount != (ulong)names.Distinct(StringComparer.Ordinal).Count())
        {
            throw new CliError(ExitCode.NotVerified, "OTHER_BUNDLE", "The service gave another bundle than the one that was asked for.", "Nothing was written. Ask those who run the service.");
        }
        await file.Stream.WriteAsync(bytes, run.Cancellation).ConfigureAwait(false);
        file.Commit();
        if (file.Path is not null)
        {
            run.Report.Write(BundleRecords.Of(reader.Verified!, path, pinned: false));
        }
    }

    private static Command List()
    {
        var all = new Option<bool>("--all") { Description = "Also bundles that a later full one has superseded" };
        return new Command("list", "List bundles, newest first, and where they stand") { all }.WithNotes("""
            In force are the newest full bundle that left nothing out, and what came after it: these are read again every day.
            Older ones are not looked after and may be moved away.
            """).Runs(async run =>
        {
            using var client = run.Connect();
            ListBundlesResponse? last = null;
            await run.Report.WriteListAsync(BundlesAsync(), "No bundles.", run.Cancellation).ConfigureAwait(false);
            if (!run.Quiet)
            {
                await TellAsync(last!.Destinations).ConfigureAwait(false);
            }

            async IAsyncEnumerable<Record> BundlesAsync()
            {
                await foreach (var page in client.Backups.ListPagesAsync(!run.Get(all), run.Cancellation).ConfigureAwait(false))
                {
                    last = page;
                    foreach (var bundle in page.Bundles)
                    {
                        yield return BundleRecords.Of(bundle);
                    }
                }
            }
        });
    }

    private static Command Check() =>
        new Command("check", "Have every copy in force read again, and mend what can be mended; exit code 4 when one is not whole").Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Backups.VerifyCopiesAsync(run.Cancellation).ConfigureAwait(false);
            await run.Report.WriteListAsync(answer.Bundles.ToAsyncEnumerable().Select(BundleRecords.Of), "No bundles.", run.Cancellation).ConfigureAwait(false);
            await TellAsync(answer.Destinations).ConfigureAwait(false);
            var whole = answer.Destinations.All(destination => destination.Problem.Length == 0);
            return whole ? ExitCode.Ok : ExitCode.NotVerified;
        });

    private static Command SigningKey() =>
        new Command("signing-key", "Write the public key that signs this installation's bundles (PEM), to keep apart from them").Runs(async run =>
        {
            using var client = run.Connect();
            var page = await client.Backups.ListPagesAsync(inForceOnly: true, run.Cancellation).FirstAsync(run.Cancellation).ConfigureAwait(false);
            run.Report.WriteText(PemEncoding.WriteString("PUBLIC KEY", page.SigningKey.Span) + "\n");
        });

    private static async Task TellAsync(IEnumerable<BackupDestination> destinations)
    {
        foreach (var destination in destinations.Where(each => each.Problem.Length > 0))
        {
            await Console.Error.WriteLineAsync($"destination {destination.Name} fails: {Terminal.Printable(destination.Problem)}").ConfigureAwait(false);
        }
    }
}
