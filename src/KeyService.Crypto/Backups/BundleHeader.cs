using System.Buffers.Binary;

namespace KeyService.Crypto.Backups;

/// <summary>
/// What stands first in a bundle:
/// <code>magic 8 | installation id 16 | bundle id 16 | sequence 8 | kind 1 | made at 8 | backup key id 8 | digest of the bundle before 32</code>
/// </summary>
public sealed class BundleHeader
{
    private const int InstallationOffset = BundleFormat.MagicLength;
    private const int BundleOffset = InstallationOffset + BundleFormat.IdLength;
    private const int SequenceOffset = BundleOffset + BundleFormat.IdLength;
    private const int KindOffset = SequenceOffset + 8;
    private const int TimeOffset = KindOffset + 1;
    private const int BackupKeyOffset = TimeOffset + 8;
    private const int PreviousOffset = BackupKeyOffset + BundleFormat.BackupKeyIdLength;

    private readonly byte[] _bytes;

    private BundleHeader(byte[] bytes) => _bytes = bytes;

    /// <summary>Puts a header together.</summary>
    /// <param name="installationId">16 bytes.</param>
    /// <param name="bundleId">16 random bytes.</param>
    /// <param name="sequence">1 or more; greater than that of every earlier bundle of the installation. Of a selection: that of the newest bundle, 1 if there is none.</param>
    /// <param name="kind">Full when there is no bundle before.</param>
    /// <param name="madeAtUnixNanoseconds">Nanoseconds since 1970 UTC.</param>
    /// <param name="backupKeyId">8 bytes.</param>
    /// <param name="previousDigest">32 bytes, or empty for none.</param>
    /// <exception cref="ArgumentException">A length or a rule is broken.</exception>
    public static BundleHeader Create(
        ReadOnlySpan<byte> installationId, ReadOnlySpan<byte> bundleId, ulong sequence, BundleKind kind, long madeAtUnixNanoseconds,
        ReadOnlySpan<byte> backupKeyId, ReadOnlySpan<byte> previousDigest)
    {
        if (installationId.Length != BundleFormat.IdLength || bundleId.Length != BundleFormat.IdLength
            || backupKeyId.Length != BundleFormat.BackupKeyIdLength || previousDigest.Length is not (0 or BundleFormat.DigestLength))
        {
            throw new ArgumentException("Ids of 16, 16 and 8 bytes and a digest of 32 or none are expected.");
        }
        var bytes = new byte[BundleFormat.HeaderLength];
        BundleFormat.Magic.CopyTo(bytes);
        installationId.CopyTo(bytes.AsSpan(InstallationOffset));
        bundleId.CopyTo(bytes.AsSpan(BundleOffset));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(SequenceOffset), sequence);
        bytes[KindOffset] = (byte)kind;
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(TimeOffset), madeAtUnixNanoseconds);
        backupKeyId.CopyTo(bytes.AsSpan(BackupKeyOffset));
        previousDigest.CopyTo(bytes.AsSpan(PreviousOffset));
        var header = new BundleHeader(bytes);
        return header.BrokenRule() is { } rule ? throw new ArgumentException($"Not a header: {rule}.") : header;
    }

    /// <summary>16 bytes.</summary>
    public ReadOnlySpan<byte> InstallationId => _bytes.AsSpan(InstallationOffset, BundleFormat.IdLength);

    /// <summary>16 bytes, drawn for this bundle.</summary>
    public ReadOnlySpan<byte> BundleId => _bytes.AsSpan(BundleOffset, BundleFormat.IdLength);

    /// <summary>Place in the installation's bundles; gaps are possible. Of a selection: behind which bundle it was made.</summary>
    public ulong Sequence => BinaryPrimitives.ReadUInt64BigEndian(_bytes.AsSpan(SequenceOffset));

    /// <summary>Full, incremental, or a selection.</summary>
    public BundleKind Kind => (BundleKind)_bytes[KindOffset];

    /// <summary>When the reading for it began: nanoseconds since 1970 UTC.</summary>
    public long MadeAtUnixNanoseconds => BinaryPrimitives.ReadInt64BigEndian(_bytes.AsSpan(TimeOffset));

    /// <summary>8 bytes; which backup key opens every wrapped key in it (docs/spec/key-blob.md).</summary>
    public ReadOnlySpan<byte> BackupKeyId => _bytes.AsSpan(BackupKeyOffset, BundleFormat.BackupKeyIdLength);

    /// <summary>Digest of the bundle before, 32 bytes; empty when there is none.</summary>
    public ReadOnlySpan<byte> PreviousDigest
    {
        get
        {
            ReadOnlySpan<byte> digest = _bytes.AsSpan(PreviousOffset, BundleFormat.DigestLength);
            return digest.ContainsAnyExcept((byte)0) ? digest : [];
        }
    }

    /// <summary>The 97 bytes.</summary>
    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <param name="bytes">97 bytes, or fewer when the input ended before.</param>
    /// <exception cref="BundleException">Empty, NotABundle, UnsupportedVersion, Truncated, Damaged.</exception>
    internal static BundleHeader Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            throw new BundleException(BundleFault.Empty, "The input is empty.");
        }
        if (!bytes.StartsWith(BundleFormat.MagicFamily[..Math.Min(bytes.Length, BundleFormat.MagicFamily.Length)]))
        {
            throw new BundleException(BundleFault.NotABundle, "The input is not a backup bundle.");
        }
        if (bytes.Length >= BundleFormat.MagicLength && !bytes.StartsWith(BundleFormat.Magic))
        {
            throw new BundleException(BundleFault.UnsupportedVersion, "The bundle has another format version than this program reads.");
        }
        if (bytes.Length < BundleFormat.HeaderLength)
        {
            throw BundleException.Truncated("its header");
        }
        var header = new BundleHeader(bytes[..BundleFormat.HeaderLength].ToArray());
        return header.BrokenRule() is { } rule ? throw BundleException.Damaged(rule) : header;
    }

    private string? BrokenRule()
    {
        if (Sequence == 0)
        {
            return "its sequence number is zero";
        }
        if (!Enum.IsDefined(Kind))
        {
            return "its kind is not known";
        }
        return Kind == BundleKind.Incremental && PreviousDigest.IsEmpty ? "it is incremental and names no bundle before it" : null;
    }
}
