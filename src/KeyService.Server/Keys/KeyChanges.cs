using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>The changes of keys, each inside the transaction that also holds its audit record.</summary>
internal sealed class KeyChanges(KeyRing ring, KeyMaker maker, RowAuthenticator rows)
{
    private readonly KeyTables _tables = new(rows);
    private readonly RegisterState _registers = new(rows);

    /// <summary>A new key with its first, active version.</summary>
    /// <exception cref="Refusal">ALREADY_EXISTS.</exception>
    public async Task<(KeyRow Key, KeyVersionRow Primary)> CreateAsync(
        IStoreTransaction transaction, KeyName name, KeyPurpose purpose, RotationPolicy rotation, NewKeyVersion version)
    {
        if (await _tables.FindKeyAsync(transaction.Connection, transaction.Transaction, name.Value, CancellationToken.None) is not null)
        {
            throw Refusal.AlreadyExists($"A key named {name}");
        }

        var key = new KeyRow(
            name.Value, purpose, rotation, transaction.Time, version.Id, VersionCount: 1, VersionChangeCount: 1, Revision: 1);
        await _tables.InsertKeyAsync(transaction, key);
        await _registers.AddedAsync(transaction, KeyRing.Register);
        var (primary, wrapsLeft) = await maker.StoreAsync(transaction, name.Value, version);
        transaction.OnCommitted(() => ring.Apply(key, primary, replaced: null, wrapsLeft));
        return (key, primary);
    }

    /// <summary>A new active version; the one before is deactivated: it decrypts and unwraps, and protects nothing more.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED when there is no such key.</exception>
    public async Task<(KeyRow Key, KeyVersionRow Primary)> RotateAsync(IStoreTransaction transaction, KeyName name, NewKeyVersion version)
    {
        // Read again inside the transaction: changes run one after another, so two rotations at a time both count.
        var before = await _tables.FindKeyAsync(transaction.Connection, transaction.Transaction, name.Value, CancellationToken.None)
            ?? throw Refusal.AccessDenied();
        var active = await _tables.FindVersionAsync(transaction.Connection, transaction.Transaction, before.PrimaryVersion,
            CancellationToken.None)
            ?? throw new StoreTamperedException("key_versions", before.PrimaryVersion.ToString(), "the active version of a key is missing");

        // A version that is suspended or compromised stays so; only an active one is deactivated.
        var replaced = active.State == KeyState.Active
            ? active with { State = KeyState.Deactivated, DeactivateTime = transaction.Time, Revision = active.Revision + 1 }
            : null;
        if (replaced is not null)
        {
            await _tables.UpdateVersionAsync(transaction, replaced);
        }

        var (primary, wrapsLeft) = await maker.StoreAsync(transaction, name.Value, version);
        var key = before with
        {
            PrimaryVersion = version.Id,
            VersionCount = before.VersionCount + 1,
            VersionChangeCount = before.VersionChangeCount + (replaced is null ? 1 : 2),
            Revision = before.Revision + 1,
        };
        await _tables.UpdateKeyAsync(transaction, key);
        await _registers.ChangedAsync(transaction, KeyRing.Register);
        transaction.OnCommitted(() => ring.Apply(key, primary, replaced, wrapsLeft));
        return (key, primary);
    }
}
