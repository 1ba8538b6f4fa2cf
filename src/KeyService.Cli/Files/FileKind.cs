using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace KeyService.Cli.Files;

/// <summary>What stands behind a path: a regular file, or a device or named pipe that a rename could not stand in for.</summary>
internal static partial class FileKind
{
    private const int AtCurrentDirectory = -100;
    private const uint TypeAndMode = 3;
    private const int StatxLength = 256;
    private const int ModeOffset = 28;
    private const int TypeMask = 0xF000;
    private const int Fifo = 0x1000;
    private const int CharacterDevice = 0x2000;
    private const int BlockDevice = 0x6000;
    private const int Socket = 0xC000;

    /// <summary>True for a device, pipe or socket. Links are followed. The BCL does not tell; statx(2) has one layout on all processors.</summary>
    public static bool IsSpecial(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return path.StartsWith("/dev/", StringComparison.Ordinal);
        }
        Span<byte> status = stackalloc byte[StatxLength];
        if (Statx(AtCurrentDirectory, path, 0, TypeAndMode, ref MemoryMarshal.GetReference(status)) != 0)
        {
            return false;
        }
        // In the machine's byte order, which is little-endian wherever .NET runs on Linux but s390x.
        var mode = BitConverter.IsLittleEndian
            ? BinaryPrimitives.ReadUInt16LittleEndian(status[ModeOffset..])
            : BinaryPrimitives.ReadUInt16BigEndian(status[ModeOffset..]);
        return (mode & TypeMask) is Fifo or CharacterDevice or BlockDevice or Socket;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, ref byte status);
}
