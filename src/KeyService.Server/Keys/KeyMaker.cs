using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>Everything of a new key version that the HSM makes, before it is stored.</summary>
internal sealed record NewKeyVersion(NewKek Kek, byte[] WrappedBulkKey)
{
    public KeyVersionId Id => Kek.Id;
}

/// <summary>Makes and stores key versions: a KEK in the HSM, its blobs for the token and for the backup key, a bulk key wrapped by
/// it.</summary>
internal sealed class KeyMaker(HsmToken token, RowAuthenticator rows)
{
    /// <summary>Wraps that a version has made before it is used: check value and bulk key.</summary>
    private const int WrapsOfMaking = 2;

    private readonly KeyTables _keys = new(rows);
    private readonly KeyMaterialTables _material = new(rows);
    private readonly KeyTransitionTable _transitions = new(rows);

    /// <summary>
    /// Makes a version in the HSM. The token has unwrapped the KEK from its blob and the check value has matched, before anything is
    /// stored. Give it to <see cref="DiscardAsync"/> when it is not stored after all.
    /// </summary>
    public async Task<NewKeyVersion> MakeAsync(CancellationToken cancellationToken)
    {
        var id = KeyVersionId.NewRandom();
        var kek = await token.CreateKekAsync(id, cancellationToken);
        await token.LoadKekAsync(id, kek.RootBlob, kek.CheckValue, cancellationToken);
        var aad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, id, default, EncryptionContext.Empty);
        var wrapped = new byte[WrappedDataKey.Length];
        using var plaintext = new PlaintextKeys(1);
        await token.GenerateDataKeysAsync(id, 1, _ => aad, plaintext.Memory, wrapped, cancellationToken);
        return new NewKeyVersion(kek, wrapped);
    }

    public ValueTask DiscardAsync(NewKeyVersion version) => token.UnloadAsync(version.Id, CancellationToken.None);

    /// <summary>Stores the version, active at once or waiting for its activation.</summary>
    /// <returns>Its row. Of its wraps only those of its making are reserved.</returns>
    public async Task<KeyVersionRow> StoreAsync(IStoreTransaction transaction, string keyName, NewKeyVersion version, KeyState state, StateChange change)
    {
        var row = new KeyVersionRow(
            version.Id, keyName, state, transaction.Time, state == KeyState.Active ? transaction.Time : null, DeactivateTime: null,
            version.Kek.CheckValue, change, Revision: 1) { TransitionCount = 1 };
        await _keys.InsertVersionAsync(transaction, row);
        await _transitions.InsertAsync(transaction, row.Id, new KeyTransition(1, null, state, change));
        await _material.InsertBlobAsync(transaction, new KeyBlobRow(version.Id, version.Kek.TokenId, version.Kek.RootBlob, Revision: 1));
        await _material.InsertBlobAsync(
            transaction, new KeyBlobRow(version.Id, KeyBlobRow.BackupOf(version.Kek.BackupKeyId), version.Kek.BackupBlob, Revision: 1));
        await _material.InsertBulkKeyAsync(transaction, new BulkKeyRow(version.Id, version.WrappedBulkKey, Revision: 1));
        await _material.PutWrapCountAsync(transaction, new WrapCountRow(version.Id, WrapsOfMaking, Revision: 1));
        return row;
    }
}
