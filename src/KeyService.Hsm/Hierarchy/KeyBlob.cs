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

    internal static byte[] FromWrapped(byte[] wrapped) => wrapped.Length == WrappedLength
        ? [AesKeyWrap, .. wrapped]
        : throw new HsmException(HsmFault.Unexpected, "C_WrapKey", 0,
            $"{wrapped.Length} bytes came back where AES-KW of a 32-byte key gives {WrappedLength}.");

    internal static byte[] ToWrapped(ReadOnlySpan<byte> blob, string what) => blob.Length == Length && blob[0] == AesKeyWrap
        ? blob[1..].ToArray()
        : throw new HsmException(HsmFault.IntegrityFailure,
            $"The stored blob of {what} is not one of this service: {blob.Length} bytes, algorithm {(blob.Length > 0 ? $"0x{blob[0]:x2}" : "absent")}; "
            + $"known is 0x{AesKeyWrap:x2} (AES-KW, {Length} bytes). Restore the row from a backup.");
}
