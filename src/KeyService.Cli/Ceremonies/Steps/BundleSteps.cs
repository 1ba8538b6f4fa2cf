using System.Globalization;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Backups;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Ceremonies;

/// <summary>Backup bundles: verified, and copied to media that are carried away.</summary>
internal static class BundleSteps
{
    internal const string InstallationFact = "bundles.installation";
    internal const string SignerFact = "bundles.signing-key";
    internal const string BackupKeyFact = "bundles.backup-key";

    private const int BufferLength = 1 << 20;
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    /// <summary>Verifies the chain that the plan names, and says what is in it.</summary>
    public static async Task<BundleChain> VerifyAsync(CeremonyRun run, string step, CancellationToken cancellation)
    {
        var chain = await ChainAsync(run.Plan.Bundles, run.Plan.BundleKey, cancellation).ConfigureAwait(false);
        if (chain.IsSelection && run.Plan.Kind == CeremonyKind.Restore)
        {
            throw new CliError(ExitCode.Usage, "SELECTION", $"{run.Plan.Bundles[0]} is a selection of keys, of which no installation is made.",
                "Stop here, and begin again with the newest full bundle and the incremental ones after it.");
        }
        for (var at = 0; at < chain.Bundles.Count; at++)
        {
            run.Journal.Add(TranscriptEntryType.Attach, $"bundle-{chain.Bundles[at].Header.Sequence}", $"{Convert.ToHexStringLower(chain.Bundles[at].Digest)} {chain.Bundles[at].Length}");
        }
        run.Journal.Add(TranscriptEntryType.Fact, InstallationFact, Convert.ToHexStringLower(chain.InstallationId));
        run.Journal.Add(TranscriptEntryType.Fact, SignerFact, chain.Newest.SigningKeyFingerprint);
        run.Journal.Add(TranscriptEntryType.Fact, BackupKeyFact, chain.BackupKeyId);
        run.Observe(step, string.Create(CultureInfo.InvariantCulture,
            $"{(chain.IsSelection ? "A selection of keys" : $"{chain.Bundles.Count} bundles")} of installation {Convert.ToHexStringLower(chain.InstallationId)}, {chain.Newest.KeyCount} keys in the newest, {chain.VersionCount} versions, made until {Time(chain.Newest.Header.MadeAtUnixNanoseconds)}, under backup key {chain.BackupKeyId}, signed by {chain.Newest.SigningKeyFingerprint}."));
        if (run.Plan.BundleKey is null)
        {
            run.Deviate(step, "Nobody named the key that must have signed: whoever made these bundles may have signed them with a key of their own.");
        }
        if (chain.OmittedCount > 0)
        {
            run.Deviate(step, $"{chain.OmittedCount} versions were left out when the bundles were made. Look for older bundles that hold them.");
        }
        return chain;
    }

    public static Task InspectAsync(CeremonyRun run, CancellationToken cancellation) => VerifyAsync(run, "3", cancellation);

    /// <summary>One part for each place: copied, read back from the medium, sealed, and handed to somebody.</summary>
    public static async Task CopyAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var couriers = run.Custodians.ToList();
        for (var at = 0; at < run.Plan.Destinations.Count; at++)
        {
            var (number, destination) = (at + 1, run.Plan.Destinations[at]);
            var courier = couriers[at % couriers.Count];
            await run.PartAsync($"4/{number}", $"Copy {number} to {destination}, taken by {courier.FullName}", courier,
                () => CopyAsync(run, number, destination, courier, cancellation)).ConfigureAwait(false);
        }
    }

    private static async Task CopyAsync(CeremonyRun run, int number, string destination, CeremonyPerson courier, CancellationToken cancellation)
    {
        run.Desk.Ask($"The medium for copy {number} is at {destination}? Enter to write.");
        System.IO.Directory.CreateDirectory(destination);
        var copies = new List<string>();
        foreach (var bundle in run.Plan.Bundles)
        {
            var target = Path.Combine(destination, Path.GetFileName(bundle));
            await CopyAsync(run, bundle, target, cancellation).ConfigureAwait(false);
            copies.Add(target);
        }
        var read = await ChainAsync(copies, run.Plan.BundleKey, cancellation).ConfigureAwait(false);
        run.Compare($"4/{number}", "digest of the newest bundle, read back from the medium",
            run.Journal.Transcript.Entries.Last(each => each.Type == TranscriptEntryType.Attach).Text.Split(' ')[0], Convert.ToHexStringLower(read.Newest.Digest));
        var bag = run.Desk.Ask($"Copy {number} is whole. It goes into a bag; what is the bag's serial number?");
        var place = run.Desk.Ask("Where will it be kept?");
        var copy = new RecordedCopy(number, bag, courier.Name, courier.FullName, place);
        run.Fact(copy.Subject, copy.Text);
    }

    private static async Task CopyAsync(CeremonyRun run, string source, string target, CancellationToken cancellation)
    {
        if (File.Exists(target))
        {
            run.Desk.Say($"{target} is there already; it is read back like a new copy.");
            return;
        }
        var partial = target + ".partial";
        var input = File.OpenRead(source);
        await using (input.ConfigureAwait(false))
        {
            var output = new FileStream(partial, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = Mode, BufferSize = 0 });
            await using (output.ConfigureAwait(false))
            {
                var buffer = new byte[BufferLength];
                long done = 0;
                while (await input.ReadAsync(buffer, cancellation).ConfigureAwait(false) is var read && read > 0)
                {
                    await output.WriteAsync(buffer.AsMemory(0, read), cancellation).ConfigureAwait(false);
                    done += read;
                    run.Desk.Progress($"{Amount.Bytes(done)} of {Amount.Bytes(input.Length)}");
                }
                DurableFile.Flush(output.SafeFileHandle);
                // What is read back then comes from the medium.
                DurableFile.DropFromCache(output.SafeFileHandle);
            }
        }
        DurableFile.Publish(partial, target);
    }

    internal static async Task<BundleChain> ChainAsync(IReadOnlyList<string> paths, string? signingKey, CancellationToken cancellation)
    {
        var key = signingKey is null ? default(ReadOnlyMemory<byte>) : await OfficerKey.ReadPublicAsync(signingKey, cancellation).ConfigureAwait(false);
        return await BundleChain.VerifyAsync([.. paths.Select(path => new BundleSource(path, () => File.OpenRead(path)))], key, cancellation).ConfigureAwait(false);
    }

    internal static string Time(long unixNanoseconds) => Record.Time(new DateTimeOffset(DateTime.UnixEpoch.Ticks + (unixNanoseconds / 100), TimeSpan.Zero));
}
