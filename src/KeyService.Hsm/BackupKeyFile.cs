using System.Buffers.Text;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.IO;

namespace KeyService.Hsm;

/// <summary>
/// The value of the backup key in a file of mode 0600: for the development profile, until a ceremony splits it. Whoever reads it can open every backup
/// blob, so its first line says what it is. Two lines: the marker, and 64 hexadecimal digits.
/// </summary>
public static class BackupKeyFile
{
    private const int KeyLength = 32;

    /// <summary>The first line of the file.</summary>
    public static ReadOnlySpan<byte> Marker =>
        "# DEVELOPMENT ONLY: backup key of a KeyService token in the clear. Whoever reads this file opens every backup."u8;

    /// <summary>Reads and checks a file that <see cref="Write"/> made.</summary>
    /// <exception cref="InvalidDataException">It is not such a file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SecretBuffer Read(string path)
    {
        using var handle = File.OpenHandle(path);
        using var buffer = new SecretBuffer(Marker.Length + (2 * KeyLength) + 3);
        var content = buffer.DangerousSpan;
        content = content[..RandomAccess.Read(handle, content, 0)];
        var digits = content.StartsWith(Marker) && content.Length > Marker.Length + 1 && content[Marker.Length] == (byte)'\n'
            ? content[(Marker.Length + 1)..].TrimEnd((byte)'\n')
            : [];
        var value = new SecretBuffer(KeyLength);
        if (digits.Length == 2 * KeyLength
            && Convert.FromHexString(digits, value.DangerousSpan, out _, out _) == System.Buffers.OperationStatus.Done)
        {
            return value;
        }
        value.Dispose();
        throw new InvalidDataException($"{path} is not a backup-key file: two lines are expected, the development marker and 64 hexadecimal digits.");
    }

    /// <summary>Writes the value durably, mode 0600, before any token learns it.</summary>
    internal static void Write(string path, SecretBuffer value)
    {
        using var buffer = new SecretBuffer(Marker.Length + (2 * KeyLength) + 2);
        var content = buffer.DangerousSpan;
        Marker.CopyTo(content);
        content[Marker.Length] = (byte)'\n';
        Convert.TryToHexStringLower(value.DangerousSpan, content[(Marker.Length + 1)..], out _);
        content[^1] = (byte)'\n';
        DurableFile.WriteAllBytes(path, content, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
