using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Audit;

namespace KeyService.Server.Storage;

/// <summary>The integrity key as one token or the backup key has wrapped it; docs/spec/key-blob.md.</summary>
/// <param name="TokenId">Serial of the token, or "backup:" and the backup key's id.</param>
/// <param name="Blob">Algorithm byte and wrapped key.</param>
/// <param name="CheckValue">What the loaded key must answer to the check label.</param>
internal sealed record IntegrityKeyBlob(string TokenId, byte[] Blob, byte[] CheckValue);

/// <summary>What a store says of itself before any of its rows can be verified.</summary>
/// <param name="Id">16 random bytes.</param>
internal sealed record Installation(byte[] Id, DateTimeOffset CreateTime, IReadOnlyList<IntegrityKeyBlob> IntegrityKeyBlobs)
{
    private const string Table = "installation";

    /// <summary>
    /// What its audit log and everything that is signed beside it is named by, 16 bytes: the id, or one drawn when the installation was restored from
    /// bundles. A log that begins anew is not the one that witnesses know by the id (ADR 0272).
    /// </summary>
    public byte[] LogId { get; init; } = Id;

    /// <summary>Whether it was restored from bundles.</summary>
    public bool IsRestored => !LogId.AsSpan().SequenceEqual(Id);

    /// <summary>
    /// Registers whose rows are counted, by the name of their table, in generations: those of one release together, a later one only added. The
    /// installation's own row says by its revision, under its MAC, how many generations have begun (ADR 0186).
    /// </summary>
    private static readonly string[][] Registers =
    [
        ["principals", "grants", "keys", "approvals", "audit_slots"],
        ["alarms", "bundles", "bundle_copies", "holdings", "holding_versions", "campaigns", "destructions"],
        ["second_factors"],
        ["place_policies"],
        ["officer_rosters"],
        ["break_glass_uses", "break_glass_envelopes"],
        ["findings", "sign_offs"],
        ["access_reviews", "access_review_items"],
        ["ceremonies"],
    ];

    /// <summary>Null when the store is new. Not verified yet: load the integrity key from it, then <see cref="VerifyAsync"/>.</summary>
    public static Task<Installation?> ReadAsync(IStore store, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            var row = await SelectAsync(connection);
            return row is null ? null : new Installation(row.Id, UnixTime.FromNanoseconds(row.CreatedAt), await SelectBlobsAsync(connection))
            {
                LogId = row.LogId ?? row.Id,
            };
        },
        cancellationToken);

    /// <exception cref="StoreTamperedException">The row was changed, or the integrity key is not this installation's.</exception>
    public static async Task VerifyAsync(IStore store, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        var row = await store.ReadAsync(SelectAsync, cancellationToken)
            ?? throw new StoreTamperedException(Table, "1", "the row is missing");
        await rows.VerifyAsync(Canonical(row.Id, row.CreatedAt, row.LogId, row.Revision), row.Mac, Table, "1", cancellationToken);
    }

    /// <summary>
    /// Begins the registers of a newer version, once, at its first start on an older store. Afterwards a register that is not there is
    /// tampering like any other: whoever deletes one would have to put the installation's row back too, which its record in the log tells.
    /// </summary>
    /// <returns>The names of those that began now; none at every other start.</returns>
    /// <exception cref="StoreTamperedException">The installation's row was changed, or a register that is to begin has rows already.</exception>
    public static async Task<IReadOnlyList<string>> BeginRegistersAsync(IStore store, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        if (await store.ReadAsync(SelectAsync, cancellationToken) is { } known && known.Revision >= Registers.Length)
        {
            return [];
        }

        List<string> begun = [];
        var record = new AuditRecordDraft(AuditEvent.RegistersBegun) { Automated = true };
        try
        {
            await store.CommitAsync(
                record,
                async transaction =>
                {
                    begun = await BeginRegistersAsync(transaction, rows);
                    record.Detail = string.Join(", ", begun);
                },
                cancellationToken);
        }
        catch (BegunElsewhereException)
        {
            return [];
        }

        return begun;
    }

    private static async Task<List<string>> BeginRegistersAsync(IStoreTransaction transaction, RowAuthenticator rows)
    {
        var row = await SelectAsync(transaction.Connection) ?? throw new StoreTamperedException(Table, "1", "the row is missing");
        await rows.VerifyAsync(Canonical(row.Id, row.CreatedAt, row.LogId, row.Revision), row.Mac, Table, "1", CancellationToken.None);
        if (row.Revision >= Registers.Length)
        {
            throw new BegunElsewhereException();
        }

        var state = new RegisterState(rows);
        var begun = new List<string>();
        foreach (var register in Registers[(int)row.Revision..].SelectMany(names => names))
        {
            await state.BeginAsync(transaction, register);
            begun.Add(register);
        }

        var revision = (long)Registers.Length;
        var mac = await rows.SealAsync(transaction, Canonical(row.Id, row.CreatedAt, row.LogId, revision), Table, "1", revision);
        var changed = await transaction.Connection.ExecuteAsync(
            "UPDATE installation SET revision = @revision, mac = @mac WHERE id = 1 AND revision = @before",
            new { revision, mac, before = row.Revision }, transaction.Transaction);
        return changed == 1 ? begun : throw new BegunElsewhereException();
    }

    /// <summary>Part of the change that makes an installation: its row, the integrity key's blobs, the registers.</summary>
    /// <param name="logId">Of a restored one; null otherwise.</param>
    /// <param name="counted">What registers hold already, by name; those that are not named are empty.</param>
    public static async Task CreateAsync(
        IStoreTransaction transaction, RowAuthenticator rows, byte[] installationId, IReadOnlyList<IntegrityKeyBlob> blobs, byte[]? logId = null,
        IReadOnlyDictionary<string, (long Rows, long Changes)>? counted = null)
    {
        if (await SelectAsync(transaction.Connection) is not null)
        {
            throw new InvalidOperationException("The store holds an installation already.");
        }

        var createdAt = UnixTime.Nanoseconds(transaction.Time);
        var revision = (long)Registers.Length;
        var mac = await rows.MacAsync(Canonical(installationId, createdAt, logId, revision), CancellationToken.None);
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO installation (id, installation_id, created_at, log_id, revision, mac) VALUES (1, @installationId, @createdAt, @logId, @revision, @mac)",
            new { installationId, createdAt, logId, revision, mac }, transaction.Transaction);
        foreach (var (tokenId, blob, checkValue) in blobs)
        {
            await transaction.Connection.ExecuteAsync(
                "INSERT INTO integrity_key_blobs (token_id, blob, check_value, created_at) VALUES (@tokenId, @blob, @checkValue, @createdAt)",
                new { tokenId, blob, checkValue, createdAt }, transaction.Transaction);
        }

        var state = new RegisterState(rows);
        foreach (var register in Registers.SelectMany(names => names))
        {
            var (count, changes) = counted?.GetValueOrDefault(register) ?? default;
            await state.CreateAsync(transaction, register, count, changes);
        }

        await AuditMark.CreateAsync(transaction, rows);
    }

    private static Task<Row?> SelectAsync(DbConnection connection) => connection.QuerySingleOrDefaultAsync<Row>(
        "SELECT installation_id AS Id, created_at AS CreatedAt, log_id AS LogId, revision AS Revision, mac AS Mac FROM installation WHERE id = 1")!;

    private static async Task<IReadOnlyList<IntegrityKeyBlob>> SelectBlobsAsync(DbConnection connection) =>
        (await connection.QueryAsync<IntegrityKeyBlob>(
            "SELECT token_id AS TokenId, blob AS Blob, check_value AS CheckValue FROM integrity_key_blobs ORDER BY token_id")).AsList();

    // The row of an installation that was never restored has the bytes that it had before there was such a thing.
    private static byte[] Canonical(byte[] id, long createdAt, byte[]? logId, long revision)
    {
        var row = RowMac.Row(Table).AddInt64(1).AddBytes(id).AddInt64(createdAt);
        return (logId is null ? row : row.AddBytes(logId)).AddInt64(revision).ToArray();
    }

    // Another server of the new version was first: its commit did it all, and this one's change is undone.
    private sealed class BegunElsewhereException : Exception;

    private sealed record Row(byte[] Id, long CreatedAt, byte[]? LogId, long Revision, byte[] Mac);
}
