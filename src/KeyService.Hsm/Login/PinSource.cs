using KeyService.Crypto;
using Microsoft.Win32.SafeHandles;

namespace KeyService.Hsm.Login;

/// <summary>
/// Reads the user PIN from a file, each time it is needed, or once from a descriptor. The PIN is the first line, without its line end, 1 to 255 bytes,
/// and lives in locked memory only.
/// </summary>
internal sealed class PinSource : IDisposable
{
    private const int MaxLength = 255;
    private readonly string? file;
    private readonly SecretBuffer? fromDescriptor;

    private PinSource(string? file, SecretBuffer? fromDescriptor)
    {
        this.file = file;
        this.fromDescriptor = fromDescriptor;
    }

    internal static PinSource Open(HsmConfiguration configuration) => (configuration.PinFile, configuration.PinDescriptor) switch
    {
        ({ Length: > 0 } file, null) => new PinSource(Path.GetFullPath(file), null),
        (null or "", { } descriptor) => new PinSource(null, ReadDescriptor(descriptor)),
        _ => throw new HsmException(HsmFault.Misconfigured,
            "Name exactly one source of the PIN: hsm.pinFile (a file of mode 0600) or hsm.pinDescriptor (an open file descriptor)."),
    };

    /// <summary>Where the PIN comes from, for messages.</summary>
    internal string Description => file is null ? "the PIN from the file descriptor" : $"the PIN in {file}";

    internal SecretBuffer Read() => file is null ? SecretBuffer.CopyOf(fromDescriptor!.DangerousSpan) : ReadFile(file);

    public void Dispose() => fromDescriptor?.Dispose();

    private static SecretBuffer ReadFile(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            // Of the file that is open, not of whatever stands at the path by now.
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(handle) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            {
                throw new HsmException(HsmFault.PinUnavailable, $"Everybody can read or write the PIN file {path}. Run: chmod 600 {path}");
            }
            return FirstLine(buffer => RandomAccess.Read(handle, buffer, 0), path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HsmException(HsmFault.PinUnavailable, $"The PIN file {path} cannot be read: {exception.Message}", exception);
        }
    }

    private static SecretBuffer ReadDescriptor(int descriptor)
    {
        var name = $"file descriptor {descriptor}";
        try
        {
            using var handle = new SafeFileHandle(descriptor, ownsHandle: false);
            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            return FirstLine(
                buffer =>
                {
                    var length = 0;
                    for (int got; length < buffer.Length && (got = stream.Read(buffer[length..])) > 0; length += got)
                    {
                        if (buffer.Slice(length, got).Contains((byte)'\n'))
                        {
                            return length + got;
                        }
                    }
                    return length;
                },
                name);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new HsmException(HsmFault.PinUnavailable, $"The PIN cannot be read from {name}: {exception.Message}", exception);
        }
    }

    private static SecretBuffer FirstLine(SpanReader read, string name)
    {
        using var buffer = new SecretBuffer(MaxLength + 2);
        var content = buffer.DangerousSpan;
        content = content[..read(content)];
        var end = content.IndexOf((byte)'\n');
        content = (end < 0 ? content : content[..end]).TrimEnd((byte)'\r');
        return content.Length is >= 1 and <= MaxLength
            ? SecretBuffer.CopyOf(content)
            : throw new HsmException(HsmFault.PinUnavailable, $"The first line of {name} must be the PIN, 1 to {MaxLength} bytes.");
    }

    private delegate int SpanReader(Span<byte> buffer);
}
