using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Transactions;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// The small table of wrapped data keys in the caller's database: id -> data key, readable by the service only. Works over any ADO.NET
/// provider; PostgreSQL (Npgsql) and SQLite are tested. Thread-safe. It never takes part in a transaction of the caller's: a data key is
/// durable before the first token under it exists, whatever becomes of the transaction that writes the token.
/// </summary>
public sealed partial class WrappedKeyTable
{
    private const int PageSize = 500;
    private readonly DbDataSource source;

    /// <param name="source">Opens connections to the database that holds the encrypted columns.</param>
    /// <param name="name">Name of the table: lower-case letters, digits and "_", with a schema and a point before it if wanted.</param>
    public WrappedKeyTable(DbDataSource source, string name = "keyservice_wrapped_keys")
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(name);
        if (!TableName().IsMatch(name))
        {
            throw new ArgumentException("A table's name is lower-case letters, digits and \"_\", after a schema and a point if wanted.", nameof(name));
        }
        this.source = source;
        Name = name;
    }

    /// <summary>Name of the table.</summary>
    public string Name { get; }

    /// <summary>
    /// The statement of <see cref="CreateAsync"/>, for a migration of your own; bytea is a BLOB elsewhere.
    /// </summary>
    public string CreateStatement =>
        $"""
        CREATE TABLE IF NOT EXISTS {Name} (
            id bytea NOT NULL PRIMARY KEY,
            used_for smallint NOT NULL,
            key_name varchar(128) NOT NULL,
            context bytea NOT NULL,
            wrapped bytea NOT NULL,
            created_at varchar(32) NOT NULL
        )
        """;

    /// <summary>Makes the table where it is missing.</summary>
    public async Task CreateAsync(CancellationToken cancellation = default)
    {
        using var apart = Apart();
        await using var connection = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        await using var command = WrappedKeySql.Command(connection, null, CreateStatement);
        await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        apart.Complete();
    }

    /// <summary>The row with this id; null when there is none.</summary>
    public async Task<WrappedKeyRow?> FindAsync(ReadOnlyMemory<byte> id, CancellationToken cancellation = default)
    {
        using var apart = Apart();
        await using var connection = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        await using var command = WrappedKeySql.Command(
            connection, null, $"SELECT id, used_for, key_name, context, wrapped FROM {Name} WHERE id = @id", ("@id", id.ToArray()));
        await using var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        var row = await reader.ReadAsync(cancellation).ConfigureAwait(false) ? Read(reader) : null;
        apart.Complete();
        return row;
    }

    /// <summary>All rows in the order of their ids, read page by page.</summary>
    public async IAsyncEnumerable<WrappedKeyRow> ListAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var after = Array.Empty<byte>();
        while (true)
        {
            var page = await ReadPageAsync(after, cancellation).ConfigureAwait(false);
            foreach (var row in page)
            {
                yield return row;
            }
            if (page.Count < PageSize)
            {
                yield break;
            }
            after = page[^1].Id.ToArray();
        }
    }

    /// <summary>Number of rows.</summary>
    public async Task<long> CountAsync(CancellationToken cancellation = default)
    {
        using var apart = Apart();
        await using var connection = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        await using var command = WrappedKeySql.Command(connection, null, $"SELECT COUNT(*) FROM {Name}");
        var count = Convert.ToInt64(
            await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false), System.Globalization.CultureInfo.InvariantCulture);
        apart.Complete();
        return count;
    }

    /// <summary>
    /// Wraps every data key of the table again under the newest version of its key, after a rotation. No token is touched, and no data key is
    /// seen here. The service proves that a new wrapping opens before it takes the place of the old one; may run beside everything
    /// else, be broken off and run again.
    /// </summary>
    /// <param name="client">Needs <c>rewrap-data-key</c> on the keys.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Breaks off between two batches.</param>
    public Task<RewrapProgress> RewrapAsync(
        KeyServiceClient client, IProgress<RewrapProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new WrappedKeyRewrap(this, client.DataKeys).RunAsync(progress, cancellation);
    }

    /// <summary>Stores a row; when this returns, it survives a crash of the database.</summary>
    /// <exception cref="DbException">The id is there already, or the database refused.</exception>
    internal async Task InsertAsync(WrappedKeyRow row, DateTimeOffset now, CancellationToken cancellation)
    {
        using var apart = Apart();
        await using var connection = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        await WrappedKeySql.DurablyAsync(connection, async transaction =>
        {
            await using var command = WrappedKeySql.Command(
                connection, transaction,
                $"INSERT INTO {Name} (id, used_for, key_name, context, wrapped, created_at) VALUES (@id, @use, @key, @context, @wrapped, @created)",
                ("@id", row.Id.ToArray()), ("@use", (short)row.Use), ("@key", row.Key), ("@context", row.Context.Encoded.ToArray()),
                ("@wrapped", row.Wrapped.ToArray()),
                ("@created", now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture)));
            return await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        }, cancellation).ConfigureAwait(false);
        apart.Complete();
    }

    /// <summary>Puts a new wrapping in the place of the one that was read; false when another one stands there by now.</summary>
    internal async Task<bool> ReplaceAsync(WrappedKeyRow row, ReadOnlyMemory<byte> wrapped, CancellationToken cancellation)
    {
        using var apart = Apart();
        await using var connection = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        var changed = await WrappedKeySql.DurablyAsync(connection, async transaction =>
        {
            await using var command = WrappedKeySql.Command(
                connection, transaction, $"UPDATE {Name} SET wrapped = @wrapped WHERE id = @id AND wrapped = @before",
                ("@wrapped", wrapped.ToArray()), ("@id", row.Id.ToArray()), ("@before", row.Wrapped.ToArray()));
            return await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        }, cancellation).ConfigureAwait(false);
        apart.Complete();
        return changed == 1;
    }

    internal async Task<IReadOnlyList<WrappedKeyRow>> ReadPageAsync(byte[] after, CancellationToken cancellation)
    {
        using var apart = Apart();
        await using var connection = await source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        await using var command = WrappedKeySql.Command(
            connection, null, $"SELECT id, used_for, key_name, context, wrapped FROM {Name} WHERE id > @after ORDER BY id LIMIT {PageSize}", ("@after", after));
        await using var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        var rows = new List<WrappedKeyRow>();
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
        {
            rows.Add(Read(reader));
        }
        apart.Complete();
        return rows;
    }

    // An edited row must not stop what does not depend on the edit: a context that does not parse is none, and then nothing unwraps with it.
    private static WrappedKeyRow Read(DbDataReader reader) => new(
        reader.GetFieldValue<byte[]>(0),
        (WrappedKeyUse)reader.GetInt16(1),
        reader.GetString(2),
        EncryptionContext.TryParse(reader.GetFieldValue<byte[]>(3), out var context) ? context : EncryptionContext.Empty,
        reader.GetFieldValue<byte[]>(4));

    // Out of the caller's TransactionScope: were the row rolled back with it, tokens under a key that exists nowhere could follow.
    private static TransactionScope Apart() => new(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);

    [GeneratedRegex(@"^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}\z")]
    private static partial Regex TableName();
}
