namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// A wrapped key as the store keeps it: one byte that names the algorithm, then what it produced (docs/spec/key-blob.md). The byte is ours and frozen;
/// the CKM number behind it is the module's business, since the same number means different algorithms on different modules.
/// </summary>
internal static class KeyBlob
{
    /// <summary>AES-KW of RFC 3394 with the default initial value: 8 bytes more than the key.</summary>
    internal const byte AesKeyWrap = 0x01;

    /// <summary>Bytes of the blob of a 32-byte key.</summary>
    internal const int Length = 1 + WrappedLength;

    internal const int WrappedLength = 40;

    /// <summary>RSAES-OAEP with SHA-1 and no label, to the transfer key of another token: as long as that key's modulus.</summary>
    internal const byte RsaOaep = 0x02;

    /// <summary>Bytes of a modulus of 3,072 bits.</summary>
    internal const int MinSealedLength = 384;

    /// <summary>Bytes of a modulus of 4,096 bits.</summary>
    internal const int MaxSealedLength = 512;

    internal static byte[] FromWrapped(byte[] wrapped) => wrapped.Length == WrappedLength
        ? [AesKeyWrap, .. wrapped]
        : throw new HsmException(HsmFault.Unexpected, "C_WrapKey", 0,
            $"{wrapped.Length} bytes came back where AES-KW of a 32-byte key gives {WrappedLength}.");

    internal static byte[] ToWrapped(ReadOnlySpan<byte> blob, string what) => blob.Length == Length && blob[0] == AesKeyWrap
        ? blob[1..].ToArray()
        : throw new HsmException(HsmFault.IntegrityFailure,
            $"The stored blob of {what} is not one of this service: {blob.Length} bytes, algorithm {(blob.Length > 0 ? $"0x{blob[0]:x2}" : "absent")}; "
            + $"known is 0x{AesKeyWrap:x2} (AES-KW, {Length} bytes). Restore the row from a backup.");

    internal static byte[] FromSealed(byte[] ciphertext, int modulusLength) => ciphertext.Length == modulusLength
        ? [RsaOaep, .. ciphertext]
        : throw new HsmException(HsmFault.Unexpected, "C_WrapKey", 0, $"{ciphertext.Length} bytes came back where RSAES-OAEP gives as many as its modulus has, {modulusLength}.");

    internal static byte[] ToSealed(ReadOnlySpan<byte> blob, string what) =>
        blob.Length is > MinSealedLength and <= 1 + MaxSealedLength && blob[0] == RsaOaep
            ? blob[1..].ToArray()
            : throw new HsmException(HsmFault.IntegrityFailure,
                $"{what} is none that a token of this service sealed: {blob.Length} bytes, algorithm {(blob.Length > 0 ? $"0x{blob[0]:x2}" : "absent")}; "
                + $"known is 0x{RsaOaep:x2} (RSAES-OAEP, {1 + MinSealedLength} to {1 + MaxSealedLength} bytes).");
}
