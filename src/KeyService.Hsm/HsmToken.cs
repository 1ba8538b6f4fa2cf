using KeyService.Crypto;

namespace KeyService.Hsm;

/// <summary>One PKCS#11 token with its login, its key hierarchy and the KEKs loaded into it.</summary>
public sealed class HsmToken : IAsyncDisposable
{
    private HsmToken() => throw new NotImplementedException();
    public static HsmToken Open(HsmConfiguration configuration, TimeProvider? timeProvider = null, Action<HsmEvent>? events = null) => throw new NotImplementedException();
    public HsmModuleInfo Info => throw new NotImplementedException();
    public string TokenId => throw new NotImplementedException();
    public string? BackupKeyId => throw new NotImplementedException();
    public IReadOnlyList<HsmGuarantee> Guarantees => throw new NotImplementedException();
    public IReadOnlyList<HsmMechanismChoice> Mechanisms => throw new NotImplementedException();
    public bool DevelopmentOnly => throw new NotImplementedException();
    public bool HasHierarchy => throw new NotImplementedException();
    public long Generation => throw new NotImplementedException();
    public int LoadedKeks => throw new NotImplementedException();
    public Func<KeyVersionId, CancellationToken, ValueTask<StoredKek?>>? KekSource { get; set; }
    public Task InitializeHierarchyAsync(string? backupKeyFile, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public Task ImportBackupKeyAsync(SecretBuffer value, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<NewKek> CreateKekAsync(KeyVersionId id, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask LoadKekAsync(KeyVersionId id, ReadOnlyMemory<byte> rootBlob, ReadOnlyMemory<byte> checkValue, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public bool IsLoaded(KeyVersionId id) => throw new NotImplementedException();
    public ValueTask UnloadAsync(KeyVersionId id, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<NewIntegrityKey> CreateIntegrityKeyAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask LoadIntegrityKeyAsync(ReadOnlyMemory<byte> rootBlob, ReadOnlyMemory<byte> checkValue, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<byte[]> MacAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<bool> VerifyMacAsync(ReadOnlyMemory<byte> data, ReadOnlyMemory<byte> mac, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask GenerateDataKeysAsync(KeyVersionId id, int count, Func<int, ReadOnlyMemory<byte>> aadOf, Memory<byte> plaintexts, Memory<byte> wrapped, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask WrapDataKeyAsync(KeyVersionId id, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> aad, Memory<byte> wrapped, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<bool> UnwrapDataKeyAsync(KeyVersionId id, ReadOnlyMemory<byte> wrapped, ReadOnlyMemory<byte> aad, Memory<byte> plaintext, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask EncryptAsync(KeyVersionId id, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> aad, Memory<byte> sealedMessage, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<bool> DecryptAsync(KeyVersionId id, ReadOnlyMemory<byte> sealedMessage, ReadOnlyMemory<byte> aad, Memory<byte> plaintext, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask RandomAsync(Memory<byte> destination, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<byte[]> SignAsync(string label, ReadOnlyMemory<byte> digest, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<byte[]> GetSigningKeyAsync(string label, CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask<HsmHealth> ProbeAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
