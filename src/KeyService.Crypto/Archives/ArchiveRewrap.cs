using KeyService.Crypto.IO;

namespace KeyService.Crypto.Archives;

/// <summary>
/// Puts newly wrapped data keys into an archive in place. Only the slot area that is not in force is written (4,096 aligned
/// bytes, a sector of its own), then made durable, then read back through a new handle; the payload is never touched. A crash at any
/// point leaves the area in force as it was. A compromised key version is remedied by re-encryption, not by this.
/// </summary>
public static class ArchiveRewrap
{
    /// <summary>Re-wraps a file.</summary>
    /// <param name="path">The archive.</param>
    /// <param name="expected">The header that the new wrappings were made from.</param>
    /// <param name="wrappedDataKeys">1 to 16 wrappings (69 bytes) of the archive's data key, bound to its id and context.</param>
    /// <param name="dataKey">When given, it is proven to be the payload's key before anything is written.</param>
    /// <returns>The header now in force, as read back.</returns>
    /// <exception cref="ArchiveException">What <see cref="ArchiveHeader.Parse"/> says, VerificationFailed, HeaderChanged.</exception>
    /// <exception cref="IOException">Writing or fsync failed; the archive opens as before.</exception>
    public static ArchiveHeader Replace(
        string path, ArchiveHeader expected, IReadOnlyList<ReadOnlyMemory<byte>> wrappedDataKeys, SecretBuffer? dataKey = null)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArchiveHeader replaced;
        using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0))
        {
            if (dataKey is not null)
            {
                using ArchiveRangeReader proof = ArchiveRangeReader.Open(file, expected, dataKey);
            }

            replaced = WriteStaleArea(file, expected, wrappedDataKeys);
            DurableFile.Flush(file.SafeFileHandle);
        }

        using var reopened = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        ArchiveHeader found = ReadHeader(reopened);
        return Same(found, replaced)
            ? found
            : throw new ArchiveException(ArchiveFault.HeaderChanged, "The re-wrapped header does not read back as written.");
    }

    /// <summary>The one write of the whole re-wrapping, on a stream so that a test can tear it.</summary>
    internal static ArchiveHeader WriteStaleArea(Stream file, ArchiveHeader expected, IReadOnlyList<ReadOnlyMemory<byte>> wrappedDataKeys)
    {
        if (!Same(ReadHeader(file), expected))
        {
            throw new ArchiveException(ArchiveFault.HeaderChanged, "The archive's header changed since it was read: read it again.");
        }

        ArchiveHeader replaced = expected.WithSlots(wrappedDataKeys);
        byte[] area = new byte[SlotArea.Length];
        replaced.WriteArea(replaced.ActiveArea, area);
        file.Position = replaced.AreaOffset(replaced.ActiveArea);
        file.Write(area);
        return replaced;
    }

    private static bool Same(ArchiveHeader a, ArchiveHeader b) => a.ToArray().AsSpan().SequenceEqual(b.ToArray());

    private static ArchiveHeader ReadHeader(Stream file)
    {
        byte[] bytes = new byte[ArchiveFormat.MaxHeaderLength];
        file.Position = 0;
        int have = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return ArchiveHeader.Parse(bytes.AsSpan(0, have));
    }
}
