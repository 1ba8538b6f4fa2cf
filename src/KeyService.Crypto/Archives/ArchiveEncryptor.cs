using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>Makes an archive from a stream on all cores. Memory is flat (about 2 MiB a worker) at any length.</summary>
public static class ArchiveEncryptor
{
    /// <summary>Encrypts with one wrapped data key.</summary>
    /// <param name="plaintext">
    /// Read from its position to its end; not closed. Its end seals the archive. A pipe cannot tell a dead producer from a finished one, so a stream
    /// over a producer's output has to throw, not end, when the producer failed: then the archive stays without an end and no reader accepts it.
    /// </param>
    /// <param name="archive">Written from its position; not flushed to disk, not closed.</param>
    /// <param name="wrappedDataKey">69 bytes: the data key wrapped for use ARCHIVE, this archive id and context.</param>
    /// <param name="dataKey">32 bytes; one data key makes one archive.</param>
    /// <param name="archiveId">16 random bytes (<see cref="ArchiveHeader.NewArchiveId"/>).</param>
    /// <param name="context">The context of the wrapping.</param>
    /// <param name="contentName">What is archived, 0 to 255 bytes of UTF-8, visible.</param>
    /// <param name="options">Workers and progress.</param>
    /// <param name="cancellationToken">Leaves an archive without an end, which no reader accepts.</param>
    public static Task<ArchiveSummary> EncryptAsync(
        Stream plaintext,
        Stream archive,
        ReadOnlyMemory<byte> wrappedDataKey,
        SecretBuffer dataKey,
        ReadOnlyMemory<byte> archiveId,
        EncryptionContext context,
        string contentName,
        ArchiveOptions? options = null,
        CancellationToken cancellationToken = default) =>
        EncryptAsync(plaintext, archive, ArchiveHeader.Create(archiveId.Span, context, contentName, wrappedDataKey), dataKey, options, cancellationToken);

    /// <summary>Encrypts under a header made before.</summary>
    public static Task<ArchiveSummary> EncryptAsync(
        Stream plaintext,
        Stream archive,
        ArchiveHeader header,
        SecretBuffer dataKey,
        ArchiveOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(header);
        byte[] salt = RandomNumberGenerator.GetBytes(ArchiveFormat.SaltLength);
        return EncryptAsync(plaintext, archive, header.ToArray(), dataKey, salt, header.MessageContext(), options, cancellationToken);
    }

    /// <summary>The bare message with a given salt, for vectors.</summary>
    internal static async Task<ArchiveSummary> EncryptAsync(
        Stream plaintext,
        Stream archive,
        byte[] header,
        SecretBuffer dataKey,
        byte[] salt,
        byte[] context,
        ArchiveOptions? options,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        ArgumentNullException.ThrowIfNull(archive);
        using MessageKeys keys = MessageKeys.Derive(dataKey, salt, context);
        byte[] preamble = [.. header, .. salt, .. keys.Commitment];
        await archive.WriteAsync(preamble, cancellationToken).ConfigureAwait(false);
        using var pipeline = new SegmentPipeline(
            plaintext, archive, () => new SegmentSealer(keys), SegmentCipher.PlaintextLength, SegmentCipher.SealedLength, options ?? ArchiveOptions.Default);
        (long input, long output) = await pipeline.RunAsync(cancellationToken).ConfigureAwait(false);
        return new ArchiveSummary(input, preamble.Length + output);
    }
}
