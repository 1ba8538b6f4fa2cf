using KeyService.Crypto;

namespace KeyService.Hsm;

/// <summary>A KEK just made: everything there is to store of it. Blobs are one algorithm byte and the wrapped key (docs/spec/key-blob.md).</summary>
/// <param name="Id">The key version it was made for.</param>
/// <param name="RootBlob">Wrapped under the root key of <paramref name="TokenId"/>, 41 bytes.</param>
/// <param name="BackupBlob">Wrapped under the backup key <paramref name="BackupKeyId"/>, 41 bytes.</param>
/// <param name="CheckValue">Random-IV wrap of SHA-256(id) under purpose check value, 69 bytes.</param>
/// <param name="TokenId">Serial of the token whose root wrapped it.</param>
/// <param name="BackupKeyId">16 hexadecimal digits, derived from the backup key's value.</param>
public sealed record NewKek(
    KeyVersionId Id, byte[] RootBlob, byte[] BackupBlob, byte[] CheckValue, string TokenId, string BackupKeyId)
{
    /// <summary>The same KEK for each peer token, in the order in which they were given; empty when there are none.</summary>
    public IReadOnlyList<SealedKek> Sealed { get; init; } = [];
}

/// <summary>A KEK on its way to a peer token.</summary>
/// <param name="TokenId">Serial of the token whose transfer key it is sealed to.</param>
/// <param name="Blob">Algorithm byte and RSAES-OAEP of the KEK, 385 to 513 bytes, another each time.</param>
public sealed record SealedKek(string TokenId, byte[] Blob);

/// <summary>An integrity key just made.</summary>
/// <param name="RootBlob">Wrapped under the root key of <paramref name="TokenId"/>, 41 bytes.</param>
/// <param name="BackupBlob">Wrapped under the backup key <paramref name="BackupKeyId"/>, 41 bytes.</param>
/// <param name="CheckValue">HMAC-SHA-256 of the label <c>keyservice/integrity-check/v1</c>, 32 bytes.</param>
/// <param name="TokenId">Serial of the token whose root wrapped it.</param>
/// <param name="BackupKeyId">16 hexadecimal digits, derived from the backup key's value.</param>
public sealed record NewIntegrityKey(byte[] RootBlob, byte[] BackupBlob, byte[] CheckValue, string TokenId, string BackupKeyId);

/// <summary>What a store holds of a KEK, as the token needs it to load the KEK. The caller has authenticated both (row MAC).</summary>
/// <param name="RootBlob">Wrapped under this token's root key.</param>
/// <param name="CheckValue">Its check value.</param>
public readonly record struct StoredKek(ReadOnlyMemory<byte> RootBlob, ReadOnlyMemory<byte> CheckValue);
