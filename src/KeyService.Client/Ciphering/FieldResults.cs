using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>One field of a batch.</summary>
/// <param name="Data">Plaintext or token; must not change until the call has answered.</param>
/// <param name="Context">Added to the shared context for this item; no key may stand in both. Null: nothing added.</param>
public readonly record struct FieldItem(ReadOnlyMemory<byte> Data, EncryptionContext? Context = null);

/// <summary>What became of one field of a batch.</summary>
/// <param name="Data">Token or plaintext when <paramref name="Error"/> is null.</param>
/// <param name="Error">A reason such as DECRYPTION_FAILED, or null.</param>
public readonly record struct FieldResult(ReadOnlyMemory<byte> Data, string? Error);

/// <summary>A field token and the version it stands under.</summary>
public sealed record EncryptedField(ReadOnlyMemory<byte> Token, string KeyVersion);

/// <summary>A field in the clear; the caller zeroes it after use.</summary>
public sealed record DecryptedField(ReadOnlyMemory<byte> Plaintext, string Key, string KeyVersion)
{
    /// <summary>Never shows the field.</summary>
    public override string ToString() => $"DecryptedField({Key} {KeyVersion})";
}

/// <summary>What went through the service.</summary>
/// <param name="PlaintextBytes">Bytes in the clear.</param>
/// <param name="ArchiveBytes">Bytes of the archive.</param>
/// <param name="Key">Name of the key.</param>
/// <param name="KeyVersion">16 hexadecimal digits.</param>
public sealed record RemoteArchiveSummary(long PlaintextBytes, long ArchiveBytes, string Key, string KeyVersion);
