using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Cli.Archives;

/// <summary><c>keyservice rewrap</c></summary>
internal static class RewrapCommand
{
    public static Command Create()
    {
        var files = new Argument<string[]>("FILE") { Description = "Archives, changed in place", Arity = ArgumentArity.OneOrMore };
        return new Command("rewrap", "Bring archives under the newest version of their key, in place; the content is not touched") { files }
            .WithNotes("""
                4 KiB of the header are written, durably, and read back; a crash at any point leaves an archive that opens. What stands
                under the newest version already is left alone, so the same command line can be run again after an interruption.
                A compromised version is remedied by decrypting and encrypting anew, not by this.
                """)
            .Runs(async run =>
            {
                using var client = run.Connect();
                return await ArchiveFiles.ForEachAsync(run, run.Get(files), path => RewrapAsync(run, client, path)).ConfigureAwait(false);
            });
    }

    private static async Task RewrapAsync(Invocation run, KeyServiceClient client, string path)
    {
        run.Cancellation.ThrowIfCancellationRequested();
        if (!File.Exists(path))
        {
            throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} does not exist.", "Check the path.");
        }
        var done = await client.Archives.RewrapAsync(path, run.Cancellation).ConfigureAwait(false);
        var versions = done.Header.WrappedDataKeys.Select(VersionOf).ToList();
        var what = !done.Changed ? "is under the newest version already"
            : done.Proven ? "re-wrapped" : "re-wrapped (not proven: this profile may not unwrap)";
        run.Report.WriteLine(
            new Record
            {
                ["operation"] = "rewrap",
                ["file"] = path,
                ["archive_id"] = Convert.ToHexStringLower(done.Header.ArchiveId.Span),
                ["changed"] = done.Changed,
                ["proven"] = done.Proven,
                ["key_versions"] = versions,
                ["rewraps"] = done.Header.Sequence - 2,
            },
            $"{Terminal.Printable(path)}: {what}: {string.Join(", ", versions)}");
    }

    private static string VersionOf(ReadOnlyMemory<byte> wrapped) =>
        WrappedDataKey.TryParse(wrapped.Span, out var key) ? key.VersionId.ToString() : "unknown";
}
