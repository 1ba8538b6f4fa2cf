using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Cli.Archives;

/// <summary>Archives made and opened inside the service; the same bytes as the local ones.</summary>
internal static class RemoteArchive
{
    public static async Task<ArchiveReport> EncryptAsync(
        KeyServiceClient client, ArchiveRequest request, ArchiveSource source, Stream archive, IProgress<long> progress, CancellationToken cancellation)
    {
        var summary = await client.Cipher.EncryptArchiveAsync(
            request.Key, request.Context, request.ContentName ?? "", source.Open(), archive, progress, cancellation).ConfigureAwait(false);
        return new ArchiveReport(summary.PlaintextBytes, summary.ArchiveBytes, summary.Key, summary.KeyVersion)
        {
            Context = request.Context,
            ContentName = request.ContentName,
        };
    }

    public static async Task<ArchiveReport> DecryptAsync(
        KeyServiceClient client, EncryptionContext? expected, Stream archive, Stream plaintext, IProgress<long> progress, CancellationToken cancellation)
    {
        var summary = await client.Cipher.DecryptArchiveAsync(expected, archive, plaintext, progress, cancellation).ConfigureAwait(false);
        return new ArchiveReport(summary.PlaintextBytes, summary.ArchiveBytes, summary.Key, summary.KeyVersion);
    }
}
