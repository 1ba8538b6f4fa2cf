using System.Collections.Concurrent;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Keys;

/// <summary>
/// Keys and versions in memory, verified when they were read; what is not there yet is read on demand, so a start costs nothing a
/// key, and the least recently used goes when there are too many. The token gets its KEKs from here, after a restart and after every
/// reconnect. Thread safe.
/// </summary>
/// <remarks>
/// What this server commits is taken over in the order of commits. What another server commits is told by <see cref="Forget"/>. A read that
/// was under way meanwhile is not kept: it may have seen the state before.
/// </remarks>
internal sealed class KeyRing : IDisposable
{
    /// <summary>Register of the table <c>keys</c>: deleted and put-back rows show.</summary>
    public const string Register = "keys";

    // An evicted version's cipher may still be in the hands of a call that looked it up just before. Such a call takes it at once or waits for
    // the HSM, which gives up sooner than this; one that did not would fail as a defect, never with a wrong result.
    private static readonly TimeSpan Retirement = TimeSpan.FromMinutes(5);

    private readonly IStore _store;
    private readonly KeyTables _keys;
    private readonly KeyMaterialTables _material;
    private readonly RegisterState _registers;
    private readonly RevisionsSeen _seen;
    private readonly HsmToken _token;
    private readonly TimeProvider _time;
    private readonly int _capacity;
    private readonly ConcurrentDictionary<string, Key> _byName = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<KeyVersionId, KeyVersion> _byVersion = new();
    private readonly Queue<(long At, KeyVersion Version)> _retired = new();
    private readonly Lock _eviction = new();
    private long _forgotten;
    private int _versions;
    private volatile bool _registerVerified;

    /// <param name="capacity">Versions kept in memory, 100 or more.</param>
    public KeyRing(IStore store, RowAuthenticator rows, HsmToken token, TimeProvider time, int capacity)
    {
        _store = store;
        _keys = new KeyTables(rows);
        _material = new KeyMaterialTables(rows);
        _registers = new RegisterState(rows);
        _seen = rows.Seen;
        _token = token;
        _time = time;
        _capacity = capacity;
        _token.KekSource = FindKekAsync;
    }

    /// <summary>Versions in memory.</summary>
    public int Count => Volatile.Read(ref _versions);

    /// <summary>Called inside the change that takes a version past half of its wraps, with the key's name.</summary>
    public Func<IStoreTransaction, string, Task>? HalfSpent { get; set; }

    /// <summary>What may stop protection on the whole server; none in tests of less than that.</summary>
    public ProtectionGate? Gate { get; set; }

    /// <summary>Calls that do something with versions whose destruction waits; told where a call is about to.</summary>
    public VersionUses Uses { get; } = new();

    /// <summary>A key by name; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">A row of it was changed outside the service.</exception>
    public ValueTask<Key?> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (_byName.TryGetValue(name, out var key) && !key.IsStale)
        {
            key.Primary.Touch(Now);
            return new ValueTask<Key?>(key);
        }

        return new ValueTask<Key?>(ReadKeyAsync(name, cancellationToken));
    }

    /// <summary>
    /// As <see cref="FindAsync"/>, for an operation that protects or changes. A key row that was deleted or put back may have been
    /// any key's, so then nothing is protected any more; what was protected stays readable.
    /// </summary>
    /// <exception cref="StoreTamperedException">A row of it, or the register of keys, was changed outside the service.</exception>
    public async ValueTask<Key?> FindForProtectionAsync(string name, CancellationToken cancellationToken)
    {
        await DemandRegisterAsync(cancellationToken);
        var key = await FindAsync(name, cancellationToken);
        // Refused only by what stands: another server may just have rotated it, and its version was read anew before word of that came.
        return key is null || KeyStates.MayProtect(key.Primary.Row.State) ? key : await ReadKeyAsync(name, cancellationToken);
    }

    /// <summary>A version by id; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">Its row was changed outside the service.</exception>
    public ValueTask<KeyVersion?> FindVersionAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        if (_byVersion.TryGetValue(id, out var version) && !version.IsStale)
        {
            version.Touch(Now);
            return new ValueTask<KeyVersion?>(version);
        }

        return new ValueTask<KeyVersion?>(ReadVersionAsync(id, cancellationToken));
    }

    /// <summary>Compares, once, the keys that are there with those that were ever made.</summary>
    /// <exception cref="StoreTamperedException">Some are missing or were put back.</exception>
    public ValueTask DemandRegisterAsync(CancellationToken cancellationToken) =>
        _registerVerified ? ValueTask.CompletedTask : new ValueTask(VerifyRegisterAsync(cancellationToken));

    /// <summary>Moves on whenever something was forgotten; read inside a change, for <see cref="Apply"/>.</summary>
    public long Forgotten => Volatile.Read(ref _forgotten);

    /// <summary>For <see cref="IStoreTransaction.OnCommitted"/>: takes over a key and those of its versions that were changed with it.</summary>
    /// <param name="forgotten">
    /// <see cref="Forgotten"/> as it was inside the change. Where it moved on since, another server's later change may have been heard of
    /// before this one is taken over: then what is taken over is read again before its use.
    /// </param>
    public void Apply(long forgotten, KeyRow key, params ReadOnlySpan<KeyVersionRow?> versions)
    {
        TakeOver(key, versions);
        if (Volatile.Read(ref _forgotten) != forgotten)
        {
            Forget(key.Name);
        }
    }

    private void TakeOver(KeyRow key, ReadOnlySpan<KeyVersionRow?> versions)
    {
        KeyVersionRow? primaryRow = null;
        foreach (var row in versions)
        {
            if (row is null)
            {
                continue;
            }

            if (_byVersion.TryGetValue(row.Id, out var known))
            {
                known.TakeOver(row);
            }

            primaryRow = row.Id == key.PrimaryVersion ? row : primaryRow;
        }

        if (primaryRow is not null)
        {
            _byName[key.Name] = new Key(key, Keep(primaryRow));
        }
        else if (_byName.TryGetValue(key.Name, out var before) && before.Primary.Id == key.PrimaryVersion)
        {
            _byName[key.Name] = new Key(key, before.Primary);
        }
        else
        {
            Forget(key.Name);
        }
    }

    /// <summary>Another server changed the key or a version of it: both are read again before they are used.</summary>
    public void Forget(string name)
    {
        Interlocked.Increment(ref _forgotten);
        if (_byName.TryGetValue(name, out var key))
        {
            key.MarkStale();
        }

        foreach (var version in _byVersion.Values)
        {
            if (version.KeyName == name)
            {
                version.MarkStale();
            }
        }
    }

    /// <summary>As <see cref="Forget(string)"/>, for all keys: this server does not know what others changed.</summary>
    public void ForgetAll()
    {
        Interlocked.Increment(ref _forgotten);
        foreach (var key in _byName.Values)
        {
            key.MarkStale();
        }

        foreach (var version in _byVersion.Values)
        {
            version.MarkStale();
        }
    }

    /// <summary>The store is another one than was seen, and was accepted: nothing of before counts, also where it was newer.</summary>
    public void BeginAnew()
    {
        Interlocked.Increment(ref _forgotten);
        lock (_eviction)
        {
            _byName.Clear();
            foreach (var version in _byVersion.Values)
            {
                if (_byVersion.TryRemove(version.Id, out _))
                {
                    Interlocked.Decrement(ref _versions);
                    _retired.Enqueue((Now, version));
                }
            }
        }

        _registerVerified = false;
    }

    public void Dispose()
    {
        foreach (var version in _byVersion.Values)
        {
            version.Dispose();
        }

        while (_retired.TryDequeue(out var retired))
        {
            retired.Version.Dispose();
        }
    }

    private long Now => _time.GetTimestamp() / (_time.TimestampFrequency / 1000);

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

    private async Task<Key?> ReadKeyAsync(string name, CancellationToken cancellationToken)
    {
        var forgotten = Volatile.Read(ref _forgotten);
        // In one snapshot: a key of before a rotation by another server beside its version of after it would refuse to protect.
        var (row, primaryRow) = await _store.ReadAsync(
            async connection =>
            {
                var key = await _keys.FindKeyAsync(connection, null, name, cancellationToken) ?? Absent<KeyRow>("keys", name);
                return (key, key is null ? null : await _keys.FindVersionAsync(connection, null, key.PrimaryVersion, cancellationToken));
            },
            cancellationToken);
        if (row is null)
        {
            return null;
        }

        if (primaryRow is null)
        {
            throw new StoreTamperedException("key_versions", row.PrimaryVersion.ToString(), "the active version of a key is missing");
        }

        if (primaryRow.KeyName != name)
        {
            throw new StoreTamperedException("keys", name, "the active version belongs to another key");
        }

        var primary = KeepRead(primaryRow, forgotten);

        // A change of this server that committed in between has put a newer one there, which stays.
        var read = new Key(row, primary);
        var kept = _byName.AddOrUpdate(
            name, read, (_, there) => there.Row.Revision > row.Revision || (there.Row.Revision == row.Revision && !there.IsStale) ? there : read);
        if (Volatile.Read(ref _forgotten) != forgotten)
        {
            kept.MarkStale();
        }

        return kept;
    }

    private async Task<KeyVersion?> ReadVersionAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        var forgotten = Volatile.Read(ref _forgotten);
        var row = await _store.ReadAsync(
            async connection => await _keys.FindVersionAsync(connection, null, id, cancellationToken) ?? Absent<KeyVersionRow>("key_versions", id.ToString()),
            cancellationToken);
        if (row is null)
        {
            return null;
        }

        return KeepRead(row, forgotten);
    }

    // What was forgotten since the reading began may be this.
    private KeyVersion KeepRead(KeyVersionRow row, long forgotten)
    {
        var version = Keep(row);
        if (Volatile.Read(ref _forgotten) != forgotten)
        {
            version.MarkStale();
        }

        return version;
    }

    // No row, which is right only when this server never saw one.
    private T? Absent<T>(string table, string rowId)
        where T : class
    {
        _seen.Demand(table, rowId, 0);
        return null;
    }

    private KeyVersion Keep(KeyVersionRow row)
    {
        if (_byVersion.TryGetValue(row.Id, out var known))
        {
            known.TakeOver(row);
            return known;
        }

        var opened = new KeyVersion(
            row, new WrapBudget((count, cancellationToken) => ReserveWrapsAsync(row.KeyName, row.Id, count, cancellationToken)), OpenCipherAsync);
        opened.Touch(Now);
        var kept = _byVersion.GetOrAdd(row.Id, opened);
        if (ReferenceEquals(kept, opened) && Interlocked.Increment(ref _versions) > _capacity)
        {
            Evict();
        }

        return kept;
    }

    // A tenth at a time, so that sorting is paid for once in a tenth of the capacity.
    private void Evict()
    {
        if (!_eviction.TryEnter())
        {
            return;
        }

        try
        {
            var now = Now;
            while (_retired.TryPeek(out var oldest) && now - oldest.At > Retirement.TotalMilliseconds)
            {
                _retired.Dequeue().Version.Dispose();
            }

            foreach (var version in _byVersion.Values.OrderBy(each => each.LastUse).Take(_versions - _capacity + _capacity / 10).ToList())
            {
                _byName.TryGetValue(version.KeyName, out var key);
                if (key is not null && key.Primary.Id == version.Id)
                {
                    _byName.TryRemove(new KeyValuePair<string, Key>(version.KeyName, key));
                }

                if (_byVersion.TryRemove(version.Id, out _))
                {
                    Interlocked.Decrement(ref _versions);
                    _retired.Enqueue((now, version));
                }
            }
        }
        finally
        {
            _eviction.Exit();
        }
    }

    private async Task<long> ReserveWrapsAsync(string keyName, KeyVersionId id, long wanted, CancellationToken cancellationToken)
    {
        var granted = 0L;
        var record = new AuditRecordDraft(AuditEvent.KeyWrapsReserved) { Key = keyName, KeyVersion = id, Automated = true };
        await _store.CommitAsync(
            record,
            async transaction =>
            {
                var count = await _material.GetWrapCountAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
                granted = Math.Clamp(WrapBudget.Limit - count.Reserved, 0, wanted);
                record.ItemCount = granted;
                record.Detail = $"reserved of the version: {count.Reserved + granted}";
                if (granted > 0)
                {
                    await _material.PutWrapCountAsync(transaction, new WrapCountRow(id, count.Reserved + granted, count.Revision + 1));
                }

                if (count.Reserved < WrapBudget.Half && count.Reserved + granted >= WrapBudget.Half && HalfSpent is { } halfSpent)
                {
                    await halfSpent(transaction, keyName);
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
