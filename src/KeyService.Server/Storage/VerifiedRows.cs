using System.Buffers.Binary;
using System.Security.Cryptography;

namespace KeyService.Server.Storage;

/// <summary>
/// Rows whose MAC the HSM has verified or made in this process, by the digest of row and MAC: the very same bytes are not asked for twice, and stay
/// believed while the HSM is away. Remembers some thousand, the latest in their places. Thread safe.
/// </summary>
internal sealed class VerifiedRows
{
    private const int Places = 1 << 13;
    private const int MacLength = 32;

    // 256 KiB.
    private readonly (UInt128 First, UInt128 Second)[] _places = new (UInt128, UInt128)[Places];
    private readonly Lock _gate = new();

    /// <summary>False for every MAC that is not 32 bytes: where row and MAC part is then not to be told from the digest.</summary>
    public bool Has(ReadOnlySpan<byte> row, ReadOnlySpan<byte> mac)
    {
        if (mac.Length != MacLength)
        {
            return false;
        }

        var digest = DigestOf(row, mac);
        lock (_gate)
        {
            return _places[PlaceOf(digest)] == digest;
        }
    }

    /// <param name="mac">32 bytes, the row's.</param>
    public void Note(ReadOnlySpan<byte> row, ReadOnlySpan<byte> mac)
    {
        if (mac.Length != MacLength)
        {
            return;
        }

        var digest = DigestOf(row, mac);
        lock (_gate)
        {
            _places[PlaceOf(digest)] = digest;
        }
    }

    private static (UInt128 First, UInt128 Second) DigestOf(ReadOnlySpan<byte> row, ReadOnlySpan<byte> mac)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(row);
        hash.AppendData(mac);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(digest);
        return (BinaryPrimitives.ReadUInt128BigEndian(digest), BinaryPrimitives.ReadUInt128BigEndian(digest[16..]));
    }

    private static int PlaceOf((UInt128 First, UInt128 Second) digest) => (int)(digest.First & (Places - 1));
}
