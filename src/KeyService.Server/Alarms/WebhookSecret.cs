using KeyService.Crypto;

namespace KeyService.Server.Alarms;

/// <summary>
/// The key of the webhook's signatures: the first line of a file, without its line end, taken as bytes; read for each delivery, so that a
/// new one counts at once, and kept in locked memory only.
/// </summary>
internal static class WebhookSecret
{
    private const int MinLength = 16;
    private const int MaxLength = 255;

    /// <exception cref="WebhookSecretException">It cannot be read, is too short, or others may read it.</exception>
    public static SecretBuffer Open(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            // Of the file that is open, not of whatever stands at the path by now.
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(handle) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            {
                throw new WebhookSecretException($"every user of this host can read or change {path}: chmod 0600 {path}");
            }

            using var buffer = new SecretBuffer(MaxLength + 2);
            var content = buffer.DangerousSpan;
            content = content[..RandomAccess.Read(handle, content, 0)];
            var end = content.IndexOf((byte)'\n');
            content = (end < 0 ? content : content[..end]).TrimEnd((byte)'\r');
            return content.Length is >= MinLength and <= MaxLength
                ? SecretBuffer.CopyOf(content)
                : throw new WebhookSecretException($"the first line of {path} must be the secret, {MinLength} to {MaxLength} bytes");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new WebhookSecretException($"the secret {path} cannot be read: {exception.Message}");
        }
    }
}

/// <summary>The message names the file and what to do.</summary>
internal sealed class WebhookSecretException(string message) : Exception(message);
