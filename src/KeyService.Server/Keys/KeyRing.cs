using System.Collections.Concurrent;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>
/// Keys and versions in memory, verified when they were read; what is not there yet is read on demand, so a start costs nothing a
/// key. The token gets its KEKs from here, after a restart and after every reconnect. Thread safe.
/// </summary>
/// <remarks>One process holds the store (SQLite), so what it committed itself is all that ever changes: caches follow commits, in their
/// order.</remarks>
internal sealed class KeyRing : IDisposable
{
    private readonly IStore _store;
    private readonly KeyTables _keys;
    private readonly KeyMaterialTables _material;
    private readonly RegisterState _registers;
    private readonly HsmToken _token;
    private readonly ConcurrentDictionary<string, Key> _byName = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<KeyVersionId, KeyVersion> _byVersion = new();
    private volatile bool _registerVerified;

    public KeyRing(IStore store, RowAuthenticator rows, HsmToken token)
    {
        _store = store;
        _keys = new KeyTables(rows);
        _material = new KeyMaterialTables(rows);
        _registers = new RegisterState(rows);
        _token = token;
        _token.KekSource = FindKekAsync;
    }

    /// <summary>Register of the table <c>keys</c>: deleted and put-back rows show.</summary>
    public const string Register = "keys";

    /// <summary>Calls that do something with versions whose destruction waits; told where a call is about to.</summary>
    public VersionUses Uses { get; } = new();

    /// <summary>A key by name; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">A row of it was changed outside the service.</exception>
    public ValueTask<Key?> FindAsync(string name, CancellationToken cancellationToken) =>
        _byName.TryGetValue(name, out var key) ? new ValueTask<Key?>(key) : new ValueTask<Key?>(ReadKeyAsync(name, cancellationToken));

    /// <summary>
    /// As <see cref="FindAsync"/>, for an operation that protects or changes. A key row that was deleted or put back may have been
    /// any key's, so then nothing is protected any more; what was protected stays readable.
    /// </summary>
    /// <exception cref="StoreTamperedException">A row of it, or the register of keys, was changed outside the service.</exception>
    public async ValueTask<Key?> FindForProtectionAsync(string name, CancellationToken cancellationToken)
    {
        await DemandRegisterAsync(cancellationToken);
        return await FindAsync(name, cancellationToken);
    }

    /// <summary>A version by id; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">Its row was changed outside the service.</exception>
    public ValueTask<KeyVersion?> FindVersionAsync(KeyVersionId id, CancellationToken cancellationToken) =>
        _byVersion.TryGetValue(id, out var version)
            ? new ValueTask<KeyVersion?>(version)
            : new ValueTask<KeyVersion?>(ReadVersionAsync(id, cancellationToken));

    /// <summary>Compares, once, the keys that are there with those that were ever made.</summary>
    /// <exception cref="StoreTamperedException">Some are missing or were put back.</exception>
    public ValueTask DemandRegisterAsync(CancellationToken cancellationToken) =>
        _registerVerified ? ValueTask.CompletedTask : new ValueTask(VerifyRegisterAsync(cancellationToken));

    private async Task VerifyRegisterAsync(CancellationToken cancellationToken)
    {
        await _store.ReadAsync(
            async connection =>
            {
                var (count, revisionSum) = await KeyTables.SumKeysAsync(connection);
                await _registers.VerifyAsync(connection, Register, count, revisionSum, cancellationToken);
                return true;
            },
            cancellationToken);
        _registerVerified = true;
    }

    /// <summary>For <see cref="IStoreTransaction.OnCommitted"/>: takes over a key and its new active version.</summary>
    /// <param name="key">The row as committed.</param>
    /// <param name="primary">Its active version's row.</param>
    /// <param name="replaced">The row of the version that was active before, if any.</param>
    /// <param name="wrapsLeft">Wraps reserved for this server in the same commit and not yet made.</param>
    public void Apply(KeyRow key, KeyVersionRow primary, KeyVersionRow? replaced, long wrapsLeft)
    {
        if (replaced is not null && _byVersion.TryGetValue(replaced.Id, out var before))
        {
            before.Row = replaced;
        }

        var version = _byVersion.GetOrAdd(primary.Id, _ => Open(primary, wrapsLeft));
        _byName[key.Name] = new Key(key, version);
    }

    public void Dispose()
    {
        foreach (var version in _byVersion.Values)
        {
            version.Dispose();
        }
    }

    private async Task<Key?> ReadKeyAsync(string name, CancellationToken cancellationToken)
    {
        var row = await _store.ReadAsync(connection => _keys.FindKeyAsync(connection, null, name, cancellationToken), cancellationToken);
        if (row is null)
        {
            return null;
        }

        var primary = await FindVersionAsync(row.PrimaryVersion, cancellationToken)
            ?? throw new StoreTamperedException("key_versions", row.PrimaryVersion.ToString(), "the active version of a key is missing");
        if (primary.KeyName != name)
        {
            throw new StoreTamperedException("keys", name, "the active version belongs to another key");
        }

        // A rotation that committed in between has put a newer one there, which stays.
        return _byName.GetOrAdd(name, new Key(row, primary));
    }

    private async Task<KeyVersion?> ReadVersionAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        var row = await _store.ReadAsync(connection => _keys.FindVersionAsync(connection, null, id, cancellationToken), cancellationToken);
        return row is null ? null : _byVersion.GetOrAdd(id, _ => Open(row, wrapsLeft: 0));
    }

    private KeyVersion Open(KeyVersionRow row, long wrapsLeft) =>
        new(row, new WrapBudget(cancellationToken => ReserveWrapsAsync(row.KeyName, row.Id, cancellationToken), wrapsLeft),
            OpenCipherAsync);

    private async Task<long> ReserveWrapsAsync(string keyName, KeyVersionId id, CancellationToken cancellationToken)
    {
        var granted = 0L;
        var record = new AuditRecordDraft(AuditEvent.KeyWrapsReserved) { Key = keyName, KeyVersion = id, Automated = true };
        await _store.CommitAsync(
            record,
            async transaction =>
            {
                var count = await _material.GetWrapCountAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
                granted = Math.Clamp(WrapBudget.Limit - count.Reserved, 0, WrapBudget.Block);
                record.ItemCount = granted;
                record.Detail = $"reserved of the version: {count.Reserved + granted}";
                if (granted > 0)
                {
                    await _material.PutWrapCountAsync(transaction, new WrapCountRow(id, count.Reserved + granted, count.Revision + 1));
                }
            },
            cancellationToken);
        return granted;
    }

    private async Task<FieldCipher> OpenCipherAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        var bulkKey = await _store.ReadAsync(connection => _material.GetBulkKeyAsync(connection, id, cancellationToken), cancellationToken);
        var aad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, id, default, EncryptionContext.Empty);
        using var plaintext = new PlaintextKeys(1);
        if (!await _token.UnwrapDataKeyAsync(id, bulkKey.Wrapped, aad, plaintext.Memory, cancellationToken))
        {
            throw new StoreTamperedException("bulk_keys", id.ToString(), "the bulk key does not open under its version");
        }

        using var secret = SecretBuffer.CopyOf(plaintext.Memory.Span);
        return new FieldCipher(secret, id);
    }

    // Called by the token when it needs a KEK that it does not hold.
    private async ValueTask<StoredKek?> FindKekAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        if (await FindVersionAsync(id, cancellationToken) is not { } version)
        {
            return null;
        }

        var blob = await _store.ReadAsync(connection => _material.FindBlobAsync(connection, id, _token.TokenId, cancellationToken),
            cancellationToken);
        return blob is null ? null : new StoredKek(blob.Blob, version.Row.CheckValue);
    }
}
