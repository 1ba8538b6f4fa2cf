using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Backups;

namespace KeyService.Crypto.Logs;

/// <summary>
/// A public key that signs notes, and its text form, the vkey: <c>name+id+base64(type | key)</c>. docs/spec/audit-log.md.
/// </summary>
public sealed class NoteVerifier
{
    private const int Ed25519KeyLength = 32;

    private NoteVerifier(string name, NoteAlgorithm algorithm, byte[] key)
    {
        Name = name;
        Algorithm = algorithm;
        Key = key;
        Id = IdOf(name, algorithm, key);
    }

    /// <summary>The key's name; of a log's key the log's origin.</summary>
    public string Name { get; }

    /// <summary>How it signs.</summary>
    public NoteAlgorithm Algorithm { get; }

    /// <summary>Ed25519: 32 bytes. ECDSA: SubjectPublicKeyInfo of P-256 with an uncompressed point, 91 bytes.</summary>
    public ReadOnlyMemory<byte> Key { get; }

    /// <summary>The key's id in signature lines.</summary>
    public uint Id { get; }

    /// <exception cref="ArgumentException">The name or the key breaks its rule.</exception>
    public static NoteVerifier Create(string name, NoteAlgorithm algorithm, ReadOnlySpan<byte> key) =>
        NoteSignature.IsKeyName(name) && IsKey(algorithm, key)
            ? new NoteVerifier(name, algorithm, key.ToArray())
            : throw new ArgumentException("A key's name has no spaces and no '+', and its bytes are those of its algorithm.", nameof(name));

    /// <summary>The same key under another name: the HSM's key signs for every log of the installation.</summary>
    public NoteVerifier Named(string name) => Create(name, Algorithm, Key.Span);

    /// <summary>Whether a signature line names this key.</summary>
    public bool Names(NoteSignature signature) => signature.KeyId == Id && signature.KeyName == Name;

    /// <summary>Whether a signature line names this key and is its signature of the text.</summary>
    public bool Verifies(SignedNote note, NoteSignature signature) => Names(signature) && Algorithm switch
    {
        NoteAlgorithm.Ed25519 => Ed25519.Verify(Key.Span, note.SignedBytes, signature.Signature.Span),
        NoteAlgorithm.Ecdsa => EcdsaNoteSignature.Verifies(Key.Span, note.SignedBytes, signature.Signature.Span),
        _ => Cosignature.TryVerify(Key.Span, note, signature, out _),
    };

    /// <summary>
    /// Whether this key signed: at least one line names it, and every line that does is its signature. A line that names it and does not
    /// verify spoils the whole note.
    /// </summary>
    public bool Signed(SignedNote note)
    {
        NoteSignature[] own = [.. note.Signatures.Where(Names)];
        return own.Length > 0 && own.All(signature => Verifies(note, signature));
    }

    /// <summary>The vkey.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Name}+{Id:x8}+{Convert.ToBase64String([(byte)Algorithm, .. Key.Span])}");

    /// <summary>Reads a vkey; an id that is not the key's is refused.</summary>
    public static bool TryParse(string text, out NoteVerifier? verifier)
    {
        verifier = null;
        int first = text.IndexOf('+', StringComparison.Ordinal);
        int second = first < 0 ? -1 : text.IndexOf('+', first + 1);
        if (second < 0 || !NoteSignature.IsKeyName(text[..first]) || !StrictBase64.TryDecode(text[(second + 1)..], out byte[] bytes)
            || bytes.Length == 0 || !IsKey((NoteAlgorithm)bytes[0], bytes.AsSpan(1)))
        {
            return false;
        }
        var parsed = new NoteVerifier(text[..first], (NoteAlgorithm)bytes[0], bytes[1..]);
        if (parsed.ToString() != text)
        {
            return false;
        }
        verifier = parsed;
        return true;
    }

    private static bool IsKey(NoteAlgorithm algorithm, ReadOnlySpan<byte> key) => algorithm switch
    {
        NoteAlgorithm.Ed25519 or NoteAlgorithm.Cosignature => key.Length == Ed25519KeyLength,
        NoteAlgorithm.Ecdsa => BundleSignature.IsSigningKey(key),
        _ => false,
    };

    private static uint IdOf(string name, NoteAlgorithm algorithm, ReadOnlySpan<byte> key) => BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(
        // The ids of ECDSA keys are older than the rule of the others.
        algorithm == NoteAlgorithm.Ecdsa ? key : [.. Encoding.UTF8.GetBytes(name), (byte)'\n', (byte)algorithm, .. key]));
}
