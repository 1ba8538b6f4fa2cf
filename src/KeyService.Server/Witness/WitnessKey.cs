using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;

namespace KeyService.Server.Witness;

/// <summary>The witness's Ed25519 key: a seed of 32 bytes in a file of its own, and in locked memory while it runs.</summary>
internal sealed class WitnessKey : IDisposable
{
    private const int TextLength = 2 * Ed25519.KeyLength;

    private readonly SecretBuffer _seed;

    private WitnessKey(string name, SecretBuffer seed)
    {
        _seed = seed;
        Verifier = NoteVerifier.Create(name, NoteAlgorithm.Cosignature, Ed25519.PublicKey(seed.DangerousSpan));
    }

    /// <summary>The public key, as policies name it.</summary>
    public NoteVerifier Verifier { get; }

    /// <exception cref="StartUpException">The file is not there, or is no key, or others may read it.</exception>
    public static WitnessKey Open(string path, string name)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(handle) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            {
                throw new StartUpException(ExitCode.Configuration, $"Every user of this host can read or change {path}: chmod 0600 {path}");
            }

            using var text = new SecretBuffer(TextLength + 2);
            var digits = text.DangerousSpan[..RandomAccess.Read(handle, text.DangerousSpan, 0)].TrimEnd("\r\n"u8);
            var seed = new SecretBuffer(Ed25519.KeyLength);
            if (digits.Length == TextLength && Convert.FromHexString(digits, seed.DangerousSpan, out _, out _) == System.Buffers.OperationStatus.Done)
            {
                return new WitnessKey(name, seed);
            }

            seed.Dispose();
            throw new StartUpException(ExitCode.Configuration, $"{path} does not hold a witness's key, 64 hexadecimal digits.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartUpException(ExitCode.Configuration, $"The witness's key {path} cannot be read: {exception.Message} Make one with: keyservice witness init", exception);
        }
    }

    /// <summary>Makes a key in a file that must not exist yet.</summary>
    /// <exception cref="StartUpException">It exists.</exception>
    public static void Create(string path)
    {
        if (File.Exists(path))
        {
            throw new StartUpException(ExitCode.InUse, $"{path} exists already: a witness keeps its key.");
        }

        using var seed = new SecretBuffer(Ed25519.KeyLength);
        RandomNumberGenerator.Fill(seed.DangerousSpan);
        using var text = new SecretBuffer(TextLength + 1);
        Convert.TryToHexStringLower(seed.DangerousSpan, text.DangerousSpan, out _);
        text.DangerousSpan[^1] = (byte)'\n';
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        DurableFile.WriteAllBytes(path, text.DangerousSpan, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>The cosignature of a checkpoint's text.</summary>
    public NoteSignature Cosign(string text, DateTimeOffset time) => Cosignature.Sign(text, Verifier, _seed.DangerousSpan, time.ToUnixTimeSeconds());

    public void Dispose() => _seed.Dispose();
}
