using System.Buffers.Binary;
using System.Data.Common;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// Finds rows by the value of an encrypted column: beside the token stands a keyed MAC of the value, and equal values have equal MACs
/// (docs/spec/blind-index.md, which also says what an index shows to whoever has the database). Thread-safe; make one and keep it.
/// </summary>
/// <remarks>
/// Its key never changes, whatever is rotated: the index key stands wrapped in the table of wrapped keys and is re-wrapped there. Losing that row
/// loses the index, not the data: it can be computed again from the decrypted column.
/// </remarks>
public sealed class BlindIndex : IAsyncDisposable
{
    private readonly KeyServiceClient client;
    private readonly BlindIndexOptions options;
    private readonly LeaseKeeper keeper;
    private readonly byte[] idBytes;
    private readonly UInt128 id;

    internal BlindIndex(KeyServiceClient client, BlindIndexOptions options)
    {
        this.client = client;
        this.options = options.Checked();
        idBytes = BlindIndexFormat.KeyId(options.Key, options.Name);
        id = BinaryPrimitives.ReadUInt128BigEndian(idBytes);
        keeper = new LeaseKeeper(client, options.Lease);
    }

    internal LeaseKeeper Keeper => keeper;

    /// <summary>
    /// Makes the index key where it is missing; call it once, beside the migration that makes the tables. Two processes at once end with one
    /// key. Never called on its own: after a lost row it would make another key, and every search would find nothing.
    /// </summary>
    /// <exception cref="KeyServiceException">The service refused or is away.</exception>
    public async Task CreateKeyAsync(CancellationToken cancellation = default)
    {
        if (await options.Table.FindAsync(idBytes, cancellation).ConfigureAwait(false) is not null)
        {
            return;
        }
        using var made = await client.DataKeys.GenerateAsync(
            options.Key, DataKeyScope.BlindIndex(idBytes, options.Context), withoutPlaintext: true, cancellation).ConfigureAwait(false);
        var row = new WrappedKeyRow(idBytes, WrappedKeyUse.BlindIndex, options.Key, options.Context, made.Wrapped);
        try
        {
            await options.Table.InsertAsync(row, client.TimeProvider.GetUtcNow(), cancellation).ConfigureAwait(false);
        }
        catch (DbException)
        {
            // The primary key lets one of two in: the other's key is never used.
            if (await options.Table.FindAsync(idBytes, cancellation).ConfigureAwait(false) is null)
            {
                throw;
            }
        }
    }

    /// <summary>The index of one column.</summary>
    /// <param name="column">The column whose values are found; its declaration is part of the index.</param>
    /// <param name="length">
    /// Bytes of an index, 4 to 32; 16. Fewer make unequal values share an index now and then, so that whoever reads the database learns
    /// less, and a search must compare the decrypted values.
    /// </param>
    /// <param name="normalise">Brings text into the form that is indexed (<see cref="BlindIndexNormalisation"/>); null is as it is.</param>
    public BlindIndexColumn Column(EncryptedColumn column, int length = BlindIndexFormat.DefaultLength, Func<string, string>? normalise = null)
    {
        ArgumentNullException.ThrowIfNull(column);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, BlindIndexFormat.MinLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, BlindIndexFormat.MaxLength);
        return new BlindIndexColumn(this, column, length, normalise ?? BlindIndexNormalisation.Exact);
    }

    /// <summary>Zeroes the keys, when the last computation under way is done, and reports how many there were.</summary>
    public ValueTask DisposeAsync() => keeper.DisposeAsync();

    internal ValueTask<byte[]> ComputeAsync(BlindIndexColumn column, ReadOnlyMemory<byte> value, CancellationToken cancellation) =>
        keeper.TryBeginDecrypt(id, value.Length) is IndexKey key
            ? new ValueTask<byte[]>(Compute(key, column, value.Span))
            : ComputeLaterAsync(column, value, cancellation);

    private async ValueTask<byte[]> ComputeLaterAsync(BlindIndexColumn column, ReadOnlyMemory<byte> value, CancellationToken cancellation)
    {
        var key = (IndexKey)await keeper.BeginDecryptAsync(id, value.Length, UnwrapAsync, cancellation).ConfigureAwait(false);
        return Compute(key, column, value.Span);
    }

    private static byte[] Compute(IndexKey key, BlindIndexColumn column, ReadOnlySpan<byte> value)
    {
        try
        {
            var index = new byte[column.Length];
            key.Compute(column, value, index);
            return index;
        }
        finally
        {
            key.End();
        }
    }

    private async Task UnwrapAsync(UInt128 wanted)
    {
        var row = await options.Table.FindAsync(idBytes).ConfigureAwait(false) ?? throw new KeyServiceException(
            ClientReason.WrappedKeyMissing, $"The table {options.Table.Name} has no row for the blind index \"{options.Name}\" under {options.Key}.",
            "Make its key once by BlindIndex.CreateKeyAsync. If it was made before, restore the row from a backup: a new key would find nothing.");
        var asked = keeper.Times.Now;
        using var opened = await client.DataKeys.UnwrapAsync(row.Wrapped, DataKeyScope.BlindIndex(idBytes, options.Context)).ConfigureAwait(false);
        keeper.Hold(opened.KeyVersion, options.Context, standing => new IndexKey(wanted, opened.Secret, standing, keeper.Times, asked));
    }
}
