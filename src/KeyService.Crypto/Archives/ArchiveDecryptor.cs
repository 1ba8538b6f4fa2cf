namespace KeyService.Crypto.Archives;

/// <summary>
/// Opens an archive from a stream on all cores. Every byte written was verified, in order; that the archive is whole is known only
/// when the task ends well (a seekable archive is checked for its end before the first byte is written).
/// </summary>
public static class ArchiveDecryptor
{
    /// <summary>Reads the header from the stream's position and leaves the stream at the payload.</summary>
    /// <exception cref="ArchiveException">Empty, NotAnArchive, UnsupportedVersion, Truncated, Damaged.</exception>
    public static async Task<ArchiveHeader> ReadHeaderAsync(Stream archive, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        byte[] bytes = new byte[ArchiveFormat.MaxHeaderLength];
        int have = await archive.ReadAtLeastAsync(
            bytes.AsMemory(0, ArchiveFormat.PrefixLength), ArchiveFormat.PrefixLength, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        if (ArchiveHeader.TryGetLength(bytes.AsSpan(0, have), out int length))
        {
            have += await archive.ReadAtLeastAsync(
                bytes.AsMemory(have, length - have), length - have, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }

        return ArchiveHeader.Parse(bytes.AsSpan(0, have));
    }

    /// <summary>Decrypts what follows the header.</summary>
    /// <param name="archive">At the payload, where <see cref="ReadHeaderAsync"/> left it; read to its end; not closed.</param>
    /// <param name="header">The archive's header.</param>
    /// <param name="dataKey">The unwrapped data key, 32 bytes.</param>
    /// <param name="plaintext">Written from its position; not flushed to disk, not closed.</param>
    /// <param name="options">Workers and progress.</param>
    /// <param name="cancellationToken">Leaves a part of the plaintext written.</param>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed, TooLong.</exception>
    public static async Task<ArchiveSummary> DecryptAsync(
        Stream archive,
        ArchiveHeader header,
        SecretBuffer dataKey,
        Stream plaintext,
        ArchiveOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArchiveSummary message = await DecryptAsync(archive, header.MessageContext(), dataKey, plaintext, options, cancellationToken).ConfigureAwait(false);
        return message with { ArchiveBytes = header.Length + message.ArchiveBytes };
    }

    /// <summary>The bare message, for vectors.</summary>
    internal static async Task<ArchiveSummary> DecryptAsync(
        Stream archive, byte[] context, SecretBuffer dataKey, Stream plaintext, ArchiveOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(plaintext);
        byte[] prefix = new byte[ArchiveFormat.PayloadPrefixLength];
        int have = await archive.ReadAtLeastAsync(prefix, prefix.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        using MessageKeys keys = MessageKeys.Open(dataKey, prefix.AsSpan(0, have), context);
        if (archive.CanSeek)
        {
            long chunks = archive.Position;
            PayloadEnd.Prove(archive, chunks, keys);
            archive.Position = chunks;
        }

        using var pipeline = new SegmentPipeline(
            archive, plaintext, () => new SegmentOpener(keys), SegmentCipher.SealedLength, SegmentCipher.PlaintextLength, options ?? ArchiveOptions.Default);
        (long input, long output) = await pipeline.RunAsync(cancellationToken).ConfigureAwait(false);
        return new ArchiveSummary(output, prefix.Length + input);
    }
}
