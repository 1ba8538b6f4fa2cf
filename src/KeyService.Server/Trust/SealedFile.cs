using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.IO;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// A small file outside the database that only this installation can have written: its content and the MAC of it by the integrity key.
/// Written so that a power cut leaves the old one or the new one.
/// </summary>
/// <param name="path">Replaced when it is written.</param>
/// <param name="purpose">Stands under the MAC: a file of one purpose is none of another.</param>
internal sealed class SealedFile(string path, string purpose, RowAuthenticator rows)
{
    private const int MacLength = 32;
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public string Path { get; } = path;

    /// <exception cref="IOException">It cannot be written.</exception>
    public async Task WriteAsync(byte[] content, CancellationToken cancellationToken)
    {
        var mac = await rows.MacAsync(Canonical(content), cancellationToken);
        DurableFile.WriteAllBytes(Path, [.. content, .. mac], Mode);
    }

    /// <summary>The content; null when there is no file, or one that this installation did not write.</summary>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(Path))
        {
            return null;
        }

        var bytes = await File.ReadAllBytesAsync(Path, cancellationToken);
        if (bytes.Length < MacLength)
        {
            return null;
        }

        var content = bytes[..^MacLength];
        var mac = await rows.MacAsync(Canonical(content), cancellationToken);
        return CryptographicOperations.FixedTimeEquals(mac, bytes.AsSpan(content.Length)) ? content : null;
    }

    private byte[] Canonical(byte[] content) => RowMac.Row(purpose).AddBytes(content).ToArray();
}
