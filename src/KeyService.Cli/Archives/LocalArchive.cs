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
            throw new ArchiveException(ArchiveFault.OtherContext, "The archive was made with another context than the one given.");
        }
        using var dataKey = await client.Archives.UnwrapKeyAsync(header, cancellation).ConfigureAwait(false);
        var summary = await ArchiveDecryptor.DecryptAsync(
            archive, header, dataKey.Secret, plaintext, new ArchiveOptions { Progress = progress }, cancellation).ConfigureAwait(false);
        return Report(summary, header, dataKey);
    }

    private static ArchiveReport Report(ArchiveSummary summary, ArchiveHeader header, DataKey dataKey) =>
        new(summary.PlaintextBytes, summary.ArchiveBytes, dataKey.Key ?? "", dataKey.KeyVersion)
        {
            Context = header.Context,
            ContentName = header.ContentName,
            ArchiveId = Convert.ToHexStringLower(header.ArchiveId.Span),
        };
}
