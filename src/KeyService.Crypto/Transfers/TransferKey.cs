using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Logs;

namespace KeyService.Crypto.Transfers;

/// <summary>
/// The public half of an RSA key that a token made for one use: what is sealed to it can be unwrapped inside that token only.
/// docs/spec/key-transfer.md. Whose key it is says nothing in it: its fingerprint is compared by people, in a ceremony.
/// </summary>
public sealed class TransferKey
{
    /// <summary>Bytes of the document at most.</summary>
    public const int MaxLength = 2048;

    internal const int MaxSerialLength = 16;
    private const string FirstLine = "keyservice/transfer-key/v1";
    private const int MinBits = 3072;
    private const int MaxBits = 4096;
    private readonly byte[] _publicKey;

    private TransferKey(string tokenSerial, byte[] publicKey)
    {
        TokenSerial = tokenSerial;
        _publicKey = publicKey;
    }

    /// <summary>Serial number of the token, 1 to 16 characters.</summary>
    public string TokenSerial { get; }

    /// <summary>SubjectPublicKeyInfo (DER) of an RSA key of 3,072 to 4,096 bits with the exponent 65537, which every token makes.</summary>
    public ReadOnlyMemory<byte> PublicKey => _publicKey;

    /// <summary>SHA-256 of <see cref="PublicKey"/>, 32 bytes: what is read aloud.</summary>
    public byte[] Fingerprint => SHA256.HashData(_publicKey);

    /// <exception cref="ArgumentException">No serial number, or no RSA key of that size in its one encoding.</exception>
    public static TransferKey Create(string tokenSerial, ReadOnlySpan<byte> publicKey) => TryCreate(tokenSerial, publicKey.ToArray())
        ?? throw new ArgumentException($"A transfer key is an RSA key of {MinBits} to {MaxBits} bits, of a token with a serial number.", nameof(publicKey));

    /// <summary>The document's bytes.</summary>
    public byte[] ToArray() => Encoding.ASCII.GetBytes($"{FirstLine}\ntoken {TokenSerial}\npublic-key {Convert.ToBase64String(_publicKey)}\n");

    /// <summary>False for every text that <see cref="ToArray"/> does not write.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out TransferKey? key)
    {
        key = DocumentLines.TryRead(bytes, MaxLength, out DocumentLines lines) && lines.Label(FirstLine) && lines.Text("token", out string serial)
            && lines.Text("public-key", out string text) && StrictBase64.TryDecode(text, out byte[] publicKey) && lines.AtEnd
            ? TryCreate(serial, publicKey)
            : null;
        return key is not null;
    }

    internal static bool IsSerial(string serial) => serial.Length is > 0 and <= MaxSerialLength && !serial.Any(c => c is <= ' ' or > '~');

    /// <summary>The key, to be disposed of.</summary>
    internal RSA ToRsa()
    {
        var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(_publicKey, out _);
        return rsa;
    }

    private static TransferKey? TryCreate(string serial, byte[] publicKey)
    {
        if (!IsSerial(serial))
        {
            return null;
        }
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportSubjectPublicKeyInfo(publicKey, out _);
            return rsa.KeySize is >= MinBits and <= MaxBits && rsa.KeySize % 8 == 0 && rsa.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(publicKey)
                && rsa.ExportParameters(includePrivateParameters: false) is { Exponent: [1, 0, 1], Modulus: [.., var last] } && (last & 1) == 1
                ? new TransferKey(serial, publicKey)
                : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
