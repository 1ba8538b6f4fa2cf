namespace KeyService.Crypto.Archives;

/// <summary>Collects a header from archive bytes that are pushed in pieces of any size. At most 16 KiB are held.</summary>
public sealed class ArchiveHeaderReader
{
    private byte[] _bytes = new byte[ArchiveFormat.PrefixLength];
    private int _length;
    private bool _sized;

    /// <summary>The header once it is complete.</summary>
    public ArchiveHeader? Header { get; private set; }

    /// <summary>Takes what belongs to the header; the rest of the piece is the payload's beginning.</summary>
    /// <returns>How many bytes were taken; all of them as long as <see cref="Header"/> is null.</returns>
    /// <exception cref="ArchiveException">NotAnArchive, UnsupportedVersion, Damaged: as early as a byte shows it.</exception>
    public int Write(ReadOnlySpan<byte> archive)
    {
        int taken = 0;
        while (Header is null && taken < archive.Length)
        {
            int take = Math.Min(_bytes.Length - _length, archive.Length - taken);
            archive.Slice(taken, take).CopyTo(_bytes.AsSpan(_length));
            _length += take;
            taken += take;
            if (_sized && _length == _bytes.Length)
            {
                Header = ArchiveHeader.Parse(_bytes);
            }
            else if (!_sized && ArchiveHeader.TryGetLength(_bytes.AsSpan(0, _length), out int length))
            {
                Array.Resize(ref _bytes, length);
                _sized = true;
            }
        }

        return taken;
    }

    /// <summary>Says what is missing when the input ended before the header was complete.</summary>
    /// <exception cref="ArchiveException">Empty or Truncated.</exception>
    public ArchiveHeader Finish() => Header ?? ArchiveHeader.Parse(_bytes.AsSpan(0, _length));
}
