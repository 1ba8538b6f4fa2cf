using System.Security.Cryptography;

namespace KeyService.Server.Storage;

/// <summary>
/// HMAC-SHA-256 (32 bytes) by the installation's integrity key; in service <c>HsmToken.MacAsync</c>, in tests a key in software.
/// </summary>
internal delegate ValueTask<byte[]> RowMacFunction(ReadOnlyMemory<byte> canonicalRow, CancellationToken cancellationToken);

/// <summary>Makes and checks the MACs of deciding rows. What is MACed are the canonical bytes of docs/spec/store.md.</summary>
internal sealed class RowAuthenticator(RowMacFunction mac)
{
    private readonly VerifiedRows _verified = new();

    /// <summary>The revisions of rows that were read or written here.</summary>
    public RevisionsSeen Seen { get; } = new();

    public ValueTask<byte[]> MacAsync(ReadOnlyMemory<byte> canonicalRow, CancellationToken cancellationToken) => mac(canonicalRow, cancellationToken);

    /// <summary>The MAC of a row that <paramref name="transaction"/> writes; the change is on record with it.</summary>
    /// <param name="rowId">The row's primary key as text, unique in the table.</param>
    /// <param name="revision">The row's revision after the change.</param>
    public async ValueTask<byte[]> SealAsync(
        IStoreTransaction transaction, ReadOnlyMemory<byte> canonicalRow, string table, string rowId, long revision)
    {
        var sealedBy = await mac(canonicalRow, CancellationToken.None);
        _verified.Note(canonicalRow.Span, sealedBy);
        transaction.RowChanged(new RowChange(table, rowId, revision, SHA256.HashData(canonicalRow.Span)));
        transaction.OnCommitted(() => Seen.Note(table, rowId, revision));
        return sealedBy;
    }

    /// <summary>As <see cref="VerifyAsync(ReadOnlyMemory{byte}, ReadOnlyMemory{byte}, string, string, CancellationToken)"/>, of a row with a revision: one that is
    /// older than this server has seen it is refused too.</summary>
    /// <param name="revision">The row's revision, which is under the MAC.</param>
    /// <exception cref="StoreTamperedException">The MAC is not that of these bytes, or the row was put back.</exception>
    public async ValueTask VerifyAsync(
        ReadOnlyMemory<byte> canonicalRow, ReadOnlyMemory<byte> storedMac, string table, string rowId, long revision, CancellationToken cancellationToken)
    {
        await VerifyAsync(canonicalRow, storedMac, table, rowId, cancellationToken);
        Seen.Demand(table, rowId, revision);
        ReadScope.WhenRead(() => Seen.Note(table, rowId, revision));
    }

    /// <exception cref="StoreTamperedException">The MAC is not that of these bytes.</exception>
    public async ValueTask VerifyAsync(
        ReadOnlyMemory<byte> canonicalRow, ReadOnlyMemory<byte> storedMac, string table, string rowId, CancellationToken cancellationToken)
    {
        if (_verified.Has(canonicalRow.Span, storedMac.Span))
        {
            return;
        }

        var expected = await mac(canonicalRow, cancellationToken);
        if (!CryptographicOperations.FixedTimeEquals(expected, storedMac.Span))
        {
            throw new StoreTamperedException(table, rowId, "the row does not carry a valid MAC");
        }

        _verified.Note(canonicalRow.Span, expected);
    }
}
