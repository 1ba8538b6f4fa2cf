using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Crypto.Approvals;

namespace KeyService.Cli.Approvals;

/// <summary>An officer's key: P-256, kept as PKCS#8 under a passphrase (PBES2: PBKDF2 with HMAC-SHA-256, AES-256-CBC).</summary>
internal sealed class OfficerKey : IDisposable
{
    private const int MaxFileLength = 16 * 1024;

    /// <summary>OWASP's number for PBKDF2 with HMAC-SHA-256: some tenths of a second a try.</summary>
    private const int Iterations = 600_000;

    private readonly ECDsa key;

    private OfficerKey(ECDsa key) => this.key = key;

    /// <summary>SubjectPublicKeyInfo, 91 bytes.</summary>
    public byte[] PublicKey => key.ExportSubjectPublicKeyInfo();

    public static OfficerKey Make() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    /// <summary>Reads a key file.</summary>
    public static async Task<OfficerKey> ReadAsync(string path, int? descriptor, CancellationToken cancellation)
    {
        var text = await TextAsync(path, cancellation).ConfigureAwait(false);
        using var passphrase = Passphrase.Read(descriptor, $"of {path}", twice: false);
        return Open(path, text, passphrase);
    }

    /// <summary>Reads a key file whose passphrase is known.</summary>
    public static async Task<OfficerKey> ReadAsync(string path, Passphrase passphrase, CancellationToken cancellation) =>
        Open(path, await TextAsync(path, cancellation).ConfigureAwait(false), passphrase);

    /// <summary>The file's text.</summary>
    public string Encrypted(Passphrase passphrase) => key.ExportEncryptedPkcs8PrivateKeyPem(
        passphrase.Characters, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, Iterations)) + "\n";

    /// <summary>The public key's file.</summary>
    public string PublicPem() => key.ExportSubjectPublicKeyInfoPem() + "\n";

    /// <summary>r and s over SHA-256 of a text.</summary>
    public byte[] Sign(byte[] text) => key.SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    /// <summary>Reads the file of a public key.</summary>
    public static async Task<byte[]> ReadPublicAsync(string path, CancellationToken cancellation)
    {
        var text = Encoding.ASCII.GetString(await InputFile.ReadSmallAsync(path, MaxFileLength, cancellation).ConfigureAwait(false));
        try
        {
            using var key = ECDsa.Create();
            key.ImportFromPem(text);
            if (key.ExportSubjectPublicKeyInfo() is var bytes && OfficerSignature.IsPublicKey(bytes))
            {
                return bytes;
            }
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            // Said below.
        }
        throw CliError.Usage($"{path} is no public key on P-256.", "Give the .pub file that keyservice officer key create wrote.");
    }

    public void Dispose() => key.Dispose();

    private static async Task<string> TextAsync(string path, CancellationToken cancellation) =>
        Encoding.ASCII.GetString(await InputFile.ReadSmallAsync(path, MaxFileLength, cancellation).ConfigureAwait(false));

    private static OfficerKey Open(string path, string text, Passphrase passphrase)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromEncryptedPem(text, passphrase.Characters);
            if (OfficerSignature.IsPublicKey(key.ExportSubjectPublicKeyInfo()))
            {
                return new OfficerKey(key);
            }
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new CliError(ExitCode.NotVerified, "DECRYPTION_FAILED", $"{path} does not open with this passphrase, or is no encrypted key.",
                "Check both; keyservice officer key create makes one.", e);
        }
        key.Dispose();
        throw CliError.Usage($"{path} is no key on P-256.", "Make one with keyservice officer key create.");
    }
}
