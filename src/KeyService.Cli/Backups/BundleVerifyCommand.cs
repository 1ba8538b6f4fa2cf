using System.CommandLine;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using KeyService.Cli.Archives;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto.Backups;

namespace KeyService.Cli.Backups;

/// <summary><c>keyservice backup verify</c>: offline, with no key and no service.</summary>
internal static class BundleVerifyCommand
{
    private const int MaxPemLength = 64 * 1024;

    public static Command Create()
    {
        var files = new Argument<string[]>("FILE") { Description = "Bundles (.ksb) to verify", Arity = ArgumentArity.OneOrMore };
        var signingKey = new Option<string?>("--signing-key")
        {
            Description = "Public key (PEM) that must have signed; see keyservice backup signing-key",
            HelpName = "FILE",
        };
        var list = new Option<bool>("--list") { Description = "List the key versions in it, a line each" };
        return new Command("verify", "Read backup bundles to their end and verify them; needs no key and no service") { files, signingKey, list }.WithNotes("""
            Without --signing-key a bundle proves only that nobody changed it since whoever holds the key it names signed it.
            Whether its keys open is proven by a restore, for which custodians bring the backup key.
            """).Runs(async run =>
        {
            var demanded = run.Get(signingKey) is { } path ? await PublicKeyAsync(path, run.Cancellation).ConfigureAwait(false) : null;
            return await ArchiveFiles.ForEachAsync(run, run.Get(files), file => VerifyAsync(run, file, demanded, run.Get(list))).ConfigureAwait(false);
        });
    }

    private static async Task VerifyAsync(Invocation run, string path, byte[]? signingKey, bool list)
    {
        VerifiedBundle bundle;
        using (var input = InputFile.Open(path))
        {
            using var progress = new Progress("verifying", InputFile.LengthOf(input), run.Quiet);
            bundle = await ReadAsync(input, progress, run.Cancellation).ConfigureAwait(false);
            bundle.DemandSigner(signingKey);
            var found = $": {Terminal.Printable(path)}, signed by key {bundle.SigningKeyFingerprint} {(signingKey is null ? "(not pinned)" : "(as demanded)")}";
            progress.Finish("verified", bundle.Length, bundle.OmittedCount == 0 ? found : $"{found}; {bundle.OmittedCount} versions were left out of it");
        }
        if (list)
        {
            await run.Report.WriteListAsync(VersionsAsync(path, bundle, run.Cancellation), "No versions.", run.Cancellation).ConfigureAwait(false);
        }
        else
        {
            run.Report.Write(BundleRecords.Of(bundle, path, pinned: signingKey is not null));
        }
    }

    private static async Task<VerifiedBundle> ReadAsync(Stream input, Progress progress, CancellationToken cancellation)
    {
        using var reader = await BundleReader.OpenAsync(input, cancellation).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false) != BundleItem.End)
        {
            progress.Report(reader.Position);
        }
        return reader.Verified!;
    }

    // A second pass: what the first one read was not verified before its end.
    private static async IAsyncEnumerable<Record> VersionsAsync(string path, VerifiedBundle bundle, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var input = InputFile.Open(path);
        if (!input.CanSeek)
        {
            throw CliError.Usage($"{path} can be read once only, and --list reads twice.", "Name a file.");
        }
        using var reader = await BundleReader.OpenAsync(input, cancellation).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false) is var item && item != BundleItem.End)
        {
            if (item == BundleItem.Version)
            {
                yield return BundleRecords.Of(reader.Key, reader.Version);
            }
        }
        if (!reader.Verified!.Digest.SequenceEqual(bundle.Digest))
        {
            throw new BundleException(BundleFault.Damaged, "The file changed while it was read.");
        }
    }

    private static async Task<byte[]> PublicKeyAsync(string path, CancellationToken cancellation)
    {
        var text = System.Text.Encoding.UTF8.GetString(await InputFile.ReadSmallAsync(path, MaxPemLength, cancellation).ConfigureAwait(false));
        try
        {
            using var key = ECDsa.Create();
            key.ImportFromPem(text);
            var bytes = key.ExportSubjectPublicKeyInfo();
            if (bytes.Length == BundleFormat.SigningKeyLength)
            {
                return bytes;
            }
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
        }
        throw CliError.Usage($"{path} holds no P-256 public key.", "keyservice backup signing-key writes one (-----BEGIN PUBLIC KEY-----).");
    }
}
