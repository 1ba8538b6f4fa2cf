using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Client;

/// <summary>
/// Archives (.ksa) as streams: the service makes and unwraps the data key of each archive, all the rest happens here, on all cores. What
/// <c>keyservice encrypt</c> makes these open, and the other way round.
/// </summary>
/// <example>
/// <code>
/// await using (var file = new FileStream("dump.ksa", FileMode.CreateNew))
/// await using (var archive = await client.Archives.CreateAsync("ehr-backup", context, file, "dump.sql"))
/// {
///     await dump.CopyToAsync(archive);
///     await archive.CompleteAsync();      // without this line the archive does not open
/// }
/// </code>
/// </example>
public sealed class ArchiveCalls
{
    private readonly DataKeyCalls dataKeys;

    internal ArchiveCalls(DataKeyCalls dataKeys) => this.dataKeys = dataKeys;

    /// <summary>
    /// Begins an archive under a data key made for it alone. Only <see cref="ArchiveWriteStream.CompleteAsync"/> seals it: disposed of without,
    /// it leaves an archive without an end, which no reader accepts.
    /// </summary>
    /// <param name="key">Name of the key.</param>
    /// <param name="context">Bound to the archive and visible in it: no patient data. May be empty.</param>
    /// <param name="archive">Written from its position; durable only when its owner makes it so.</param>
    /// <param name="contentName">What is archived, 0 to 255 bytes of UTF-8, visible.</param>
    /// <param name="options">Workers and progress.</param>
    /// <param name="leaveOpen">Whether <paramref name="archive"/> stays open when the stream is disposed of, or this fails.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="KeyServiceException">The service gave no data key; nothing was written.</exception>
    public async Task<ArchiveWriteStream> CreateAsync(
        string key, EncryptionContext context, Stream archive, string contentName = "", ArchiveOptions? options = null, bool leaveOpen = false,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        return await OwningAsync(archive, leaveOpen, async () =>
        {
            var archiveId = ArchiveHeader.NewArchiveId();
            using var dataKey = await dataKeys.GenerateAsync(key, DataKeyScope.Archive(archiveId, context), cancellation: cancellation).ConfigureAwait(false);
            var header = ArchiveHeader.Create(archiveId, context, contentName, dataKey.Wrapped);
            return new ArchiveWriteStream(archive, header, dataKey.Secret, options, leaveOpen);
        }).ConfigureAwait(false);
    }

    /// <summary>Opens an archive for reading from its beginning to its end; also from a pipe or a network.</summary>
    /// <param name="archive">Read from its position.</param>
    /// <param name="expected">When given, the archive's context has to be just this.</param>
    /// <param name="options">Workers and progress.</param>
    /// <param name="leaveOpen">Whether <paramref name="archive"/> stays open when the stream is disposed of, or this fails.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="ArchiveException">Not an archive, damaged, truncated, another context.</exception>
    /// <exception cref="KeyServiceException">The service does not unwrap its data key.</exception>
    public async Task<ArchiveReadStream> OpenAsync(
        Stream archive, EncryptionContext? expected = null, ArchiveOptions? options = null, bool leaveOpen = false,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        return await OwningAsync(archive, leaveOpen, async () =>
        {
            var header = await ReadHeaderAsync(archive, expected, cancellation).ConfigureAwait(false);
            using var dataKey = await UnwrapKeyAsync(header, cancellation).ConfigureAwait(false);
            return await ArchiveReadStream.OpenAsync(archive, header, dataKey.Secret, options, leaveOpen, cancellation).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Opens an archive in a seekable stream (a file, say) for reading anywhere in it.</summary>
    /// <param name="archive">Seekable; the archive begins at its position 0.</param>
    /// <param name="expected">When given, the archive's context has to be just this.</param>
    /// <param name="leaveOpen">Whether <paramref name="archive"/> stays open when the stream is disposed of, or this fails.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="ArgumentException">The stream cannot seek.</exception>
    /// <exception cref="ArchiveException">Not an archive, damaged, truncated, another context.</exception>
    /// <exception cref="KeyServiceException">The service does not unwrap its data key.</exception>
    public async Task<ArchiveSeekableStream> OpenSeekableAsync(
        Stream archive, EncryptionContext? expected = null, bool leaveOpen = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        if (!archive.CanSeek)
        {
            throw new ArgumentException("The stream cannot seek; OpenAsync reads it from its beginning to its end.", nameof(archive));
        }
        return await OwningAsync(archive, leaveOpen, async () =>
        {
            archive.Position = 0;
            var header = await ReadHeaderAsync(archive, expected, cancellation).ConfigureAwait(false);
            using var dataKey = await UnwrapKeyAsync(header, cancellation).ConfigureAwait(false);
            return ArchiveSeekableStream.Open(archive, header, dataKey.Secret, leaveOpen);
        }).ConfigureAwait(false);
    }

    /// <summary>Unwraps the data key of an archive by the first of its slots that the service opens for this caller. Dispose it.</summary>
    public async Task<DataKey> UnwrapKeyAsync(ArchiveHeader header, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(header);
        var scope = DataKeyScope.Archive(header.ArchiveId.Span, header.Context);
        for (var slot = 0; ; slot++)
        {
            try
            {
                return await dataKeys.UnwrapAsync(header.WrappedDataKeys[slot], scope, cancellation).ConfigureAwait(false);
            }
            catch (KeyServiceException e) when (e.Reason is "DECRYPTION_FAILED" or "ACCESS_DENIED" && slot + 1 < header.WrappedDataKeys.Count)
            {
                // Every slot wraps the same data key for somebody: the next may be ours.
            }
        }
    }

    /// <summary>
    /// Wraps the data key of an archive file again, under the newest version of its key: 4 KiB of the header are written, durably, and read
    /// back; the payload is not touched. Repeatable: an archive that stands under the newest version stays as it is. The new wrapping is
    /// proven against the payload before it is written when the caller may unwrap, see <see cref="ArchiveRewrapping.Proven"/>. A compromised
    /// version is remedied by making the archive anew, not by this.
    /// </summary>
    /// <exception cref="ArchiveException">Not an archive, damaged, or changed meanwhile.</exception>
    /// <exception cref="KeyServiceException">The service re-wraps none of its slots; the file is as before.</exception>
    /// <exception cref="IOException">Writing or fsync failed; the archive opens as before.</exception>
    public async Task<ArchiveRewrapping> RewrapAsync(string path, CancellationToken cancellation = default)
    {
        ArchiveHeader header;
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        await using (file.ConfigureAwait(false))
        {
            header = await ArchiveDecryptor.ReadHeaderAsync(file, cancellation).ConfigureAwait(false);
        }
        var (slots, changed) = await RewrapSlotsAsync(header, cancellation).ConfigureAwait(false);
        if (!changed && header.DamagedSlotAreas == 0)
        {
            return new ArchiveRewrapping(header, Changed: false, Proven: false);
        }
        using var dataKey = await TryUnwrapAsync(header, slots, cancellation).ConfigureAwait(false);
        return new ArchiveRewrapping(ArchiveRewrap.Replace(path, header, slots, dataKey?.Secret), Changed: true, Proven: dataKey is not null);
    }

    // An archive stream that was given to own is closed when nobody comes to own it.
    private static async Task<T> OwningAsync<T>(Stream archive, bool leaveOpen, Func<Task<T>> open)
    {
        try
        {
            return await open().ConfigureAwait(false);
        }
        catch when (!leaveOpen)
        {
            await archive.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<ArchiveHeader> ReadHeaderAsync(Stream archive, EncryptionContext? expected, CancellationToken cancellation)
    {
        var header = await ArchiveDecryptor.ReadHeaderAsync(archive, cancellation).ConfigureAwait(false);
        return expected is null || expected.Equals(header.Context) ? header : throw new ArchiveException(
            ArchiveFault.OtherContext, "The archive was made with another context than the one given.");
    }

    private async Task<(List<ReadOnlyMemory<byte>> Slots, bool Changed)> RewrapSlotsAsync(ArchiveHeader header, CancellationToken cancellation)
    {
        var scope = DataKeyScope.Archive(header.ArchiveId.Span, header.Context);
        var slots = new List<ReadOnlyMemory<byte>>();
        var (ours, changed) = (0, false);
        KeyServiceException? refused = null;
        foreach (var slot in header.WrappedDataKeys)
        {
            try
            {
                var rewrapped = await dataKeys.RewrapAsync(slot, scope, cancellation).ConfigureAwait(false);
                slots.Add(rewrapped.Wrapped);
                changed |= rewrapped.Changed;
                ours++;
            }
            catch (KeyServiceException e) when (e.Reason is "ACCESS_DENIED")
            {
                // Wrapped for somebody else: it stays as it is.
                slots.Add(slot);
                refused = e;
            }
        }
        return ours > 0 ? (slots, changed) : throw refused!;
    }

    // The wrappings that are about to come into force, opened once: a caller who may only re-wrap goes without.
    private async Task<DataKey?> TryUnwrapAsync(ArchiveHeader header, List<ReadOnlyMemory<byte>> slots, CancellationToken cancellation)
    {
        try
        {
            return await UnwrapKeyAsync(
                ArchiveHeader.Create(header.ArchiveId.Span, header.Context, header.ContentName, slots), cancellation).ConfigureAwait(false);
        }
        catch (KeyServiceException e) when (e.Reason is "ACCESS_DENIED")
        {
            return null;
        }
    }
}

/// <summary>What became of an archive that was to be re-wrapped.</summary>
/// <param name="Header">The header in force now, as read back from the file.</param>
/// <param name="Changed">False when it stood under the newest version before: nothing was written.</param>
/// <param name="Proven">
/// Whether the new wrapping was opened and proven against the payload before it was written. False when nothing was written, and when the
/// caller may re-wrap but not unwrap: the service vouches for the wrapping then.
/// </param>
public sealed record ArchiveRewrapping(ArchiveHeader Header, bool Changed, bool Proven);
