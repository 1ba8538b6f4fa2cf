using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Crypto;

namespace KeyService.Cli.DataKeys;

/// <summary>Reads a wrapped key: its 69 bytes, or their base64 with white space around.</summary>
internal static class WrappedKeyInput
{
    private const int Limit = 4096;

    public static async Task<byte[]> ReadAsync(string? path, CancellationToken cancellation)
    {
        var bytes = await InputFile.ReadSmallAsync(path, Limit, cancellation).ConfigureAwait(false);
        return TryParse(bytes) ?? throw new CliError(ExitCode.NotVerified, "NOT_A_WRAPPED_KEY", "The input is not a wrapped data key.",
            "Give the 69 bytes that data-key generate wrote, or their base64.");
    }

    public static byte[]? TryParse(ReadOnlySpan<byte> bytes)
    {
        if (WrappedDataKey.TryParse(bytes, out _))
        {
            return bytes.ToArray();
        }
        var text = Encoding.UTF8.GetString(bytes).Trim();
        var decoded = new byte[WrappedDataKey.Length + 2];
        return Convert.TryFromBase64String(text, decoded, out var length) && WrappedDataKey.TryParse(decoded.AsSpan(0, length), out _)
            ? decoded[..length]
            : null;
    }
}
