using System.Buffers.Binary;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>A data key that encrypts and decrypts fields of the second format.</summary>
internal sealed class FieldKey : HeldKey
{
    private readonly FieldCipher cipher;

    /// <param name="secret">32 bytes; copied.</param>
    public FieldKey(UInt128 id, SecretBuffer secret, LeaseStanding standing, LeaseTimes times, bool generated, long obtainedAt)
        : base(id, standing, times, generated, obtainedAt)
    {
        Span<byte> bytes = stackalloc byte[FieldToken.DataKeyIdLength];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, id);
        cipher = new FieldCipher(secret, bytes);
    }

    /// <summary>Between Begin and End only.</summary>
    public void Encrypt(CanonicalContext context, ReadOnlySpan<byte> plaintext, Span<byte> token) => cipher.Encrypt(context, plaintext, token);

    /// <summary>Between Begin and End only.</summary>
    public bool TryDecrypt(CanonicalContext context, ReadOnlySpan<byte> token, Span<byte> plaintext) => cipher.TryDecrypt(context, token, plaintext);

    protected override void Zero() => cipher.Dispose();
}
