using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Cli.Archives;

/// <summary>Archives made and opened here, on all cores, with a data key of the service.</summary>
internal static class LocalArchive
{
    public static async Task<ArchiveReport> EncryptAsync(
        KeyServiceClient client, ArchiveRequest request, ArchiveSource source, Stream archive, IProgress<long> progress, CancellationToken cancellation)
    {
        var archiveId = ArchiveHeader.NewArchiveId();
        using var dataKey = await client.DataKeys.GenerateAsync(
            request.Key, DataKeyScope.Archive(archiveId, request.Context), cancellation: cancellation).ConfigureAwait(false);
        var header = ArchiveHeader.Create(archiveId, request.Context, request.ContentName ?? "", dataKey.Wrapped);
        var summary = await ArchiveEncryptor.EncryptAsync(
            source.Open(), archive, header, dataKey.Secret, new ArchiveOptions { Progress = progress }, cancellation).ConfigureAwait(false);
        return Report(summary, header, dataKey);
    }

    /// <param name="client">The service that wrapped the archive's key.</param>
    /// <param name="expected">When given, the archive's context has to be this one.</param>
    /// <param name="archive">Read from its position to its end.</param>
    /// <param name="plaintext">Each byte written was verified; the whole only when this returns.</param>
    /// <param name="progress">Told plaintext bytes.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<ArchiveReport> DecryptAsync(
        KeyServiceClient client, EncryptionContext? expected, Stream archive, Stream plaintext, IProgress<long> progress, CancellationToken cancellation)
    {
        var header = await ArchiveDecryptor.ReadHeaderAsync(archive, cancellation).ConfigureAwait(false);
        if (expected is not null && !expected.Equals(header.Context))
        {
            // Not a matter of another copy: the archive may be whole, and says itself what it was made for.
            throw new CliError(
                CommandLine.ExitCode.NotVerified, "ARCHIVE_NOT_VERIFIED", "The archive was made with another context than the one given.",
                "keyservice inspect shows the archive's context; give just that, or leave --context away.");
        }
        using var dataKey = await UnwrapAsync(client, header, cancellation).ConfigureAwait(false);
        var summary = await ArchiveDecryptor.DecryptAsync(
            archive, header, dataKey.Secret, plaintext, new ArchiveOptions { Progress = progress }, cancellation).ConfigureAwait(false);
        return Report(summary, header, dataKey);
    }

    // Every slot wraps the same data key for somebody: the first that opens for us will do.
    private static async Task<DataKey> UnwrapAsync(KeyServiceClient client, ArchiveHeader header, CancellationToken cancellation)
    {
        var scope = DataKeyScope.Archive(header.ArchiveId.Span, header.Context);
        for (var slot = 0; ; slot++)
        {
            try
            {
                return await client.DataKeys.UnwrapAsync(header.WrappedDataKeys[slot], scope, cancellation).ConfigureAwait(false);
            }
            catch (KeyServiceException e) when (e.Reason is "DECRYPTION_FAILED" or "ACCESS_DENIED" && slot + 1 < header.WrappedDataKeys.Count)
            {
                // The next slot may be ours.
            }
        }
    }

    private static ArchiveReport Report(ArchiveSummary summary, ArchiveHeader header, DataKey dataKey) =>
        new(summary.PlaintextBytes, summary.ArchiveBytes, dataKey.Key ?? "", dataKey.KeyVersion)
        {
            Context = header.Context,
            ContentName = header.ContentName,
            ArchiveId = Convert.ToHexStringLower(header.ArchiveId.Span),
        };
}
