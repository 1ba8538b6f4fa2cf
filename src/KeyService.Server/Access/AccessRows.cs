using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Access;

/// <summary>
/// SQL of principals and grants. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.
/// </summary>
internal sealed class AccessRows(RowAuthenticator rows)
{
    internal const string PrincipalsTable = "principals";
    internal const string GrantsTable = "grants";

    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<PrincipalRow>(PrincipalsTable, PrincipalRow.Columns, "name", "@Name", row => new DecidingRow(row.Name, row.Revision, row.Canonical())),
        DecidingTable.Of<GrantRow>(GrantsTable, GrantRow.Columns, "id", "@Id", row => new DecidingRow(row.IdText, row.Revision, row.Canonical())),
    ];

    private readonly RegisterState _state = new(rows);

    /// <summary>Everything, verified row by row and against the state of both registers.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, deleted or put back outside the service.</exception>
    public async Task<AccessSnapshot> LoadAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var principals = new List<Principal>();
        foreach (var row in await connection.QueryAsync<PrincipalRow>(PrincipalRow.Select))
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, PrincipalsTable, row.Name, row.Revision, cancellationToken);
            principals.Add(row.ToPrincipal());
        }

        var grants = new List<Grant>();
        foreach (var row in await connection.QueryAsync<GrantRow>(GrantRow.Select))
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, GrantsTable, row.IdText, row.Revision, cancellationToken);
            grants.Add(row.ToGrant());
        }

        await _state.VerifyAsync(connection, PrincipalsTable, principals.Count, principals.Sum(each => each.Revision), cancellationToken);
        await _state.VerifyAsync(connection, GrantsTable, grants.Count, grants.Sum(each => each.Revision), cancellationToken);
        return AccessSnapshot.Of(principals, grants);
    }

    /// <summary>One principal, verified; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed or put back outside the service.</exception>
    public async Task<Principal?> FindPrincipalAsync(DbConnection connection, string name, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<PrincipalRow>($"{PrincipalRow.Columns} WHERE name = @name", new { name });
        if (row is null)
        {
            return null;
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, PrincipalsTable, row.Name, row.Revision, cancellationToken);
        return row.ToPrincipal();
    }

    /// <summary>One grant, verified; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed or put back outside the service.</exception>
    public async Task<Grant?> FindGrantAsync(DbConnection connection, ulong id, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<GrantRow>($"{GrantRow.Columns} WHERE id = @id", new { id = unchecked((long)id) });
        if (row is null)
        {
            return null;
        }

        await rows.VerifyAsync(row.Canonical(), row.Mac, GrantsTable, row.IdText, row.Revision, cancellationToken);
        return row.ToGrant();
    }

    /// <summary>Grants of a principal, verified one by one, expired and revoked ones too. That none is missing the scrub and each load tell.</summary>
    /// <exception cref="StoreTamperedException">A row was changed or put back outside the service.</exception>
    public async Task<IReadOnlyList<Grant>> ListGrantsAsync(DbConnection connection, string principal, CancellationToken cancellationToken)
    {
        var grants = new List<Grant>();
        foreach (var row in await connection.QueryAsync<GrantRow>($"{GrantRow.Columns} WHERE principal = @principal ORDER BY id", new { principal }))
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, GrantsTable, row.IdText, row.Revision, cancellationToken);
            grants.Add(row.ToGrant());
        }

        return grants;
    }

    public async Task InsertAsync(IStoreTransaction transaction, Principal principal)
    {
        var row = PrincipalRow.Of(principal);
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), PrincipalsTable, row.Name, row.Revision);
        await transaction.Connection.ExecuteAsync(PrincipalRow.Insert, row, transaction.Transaction);
        await _state.AddedAsync(transaction, PrincipalsTable);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, Principal principal)
    {
        var row = PrincipalRow.Of(principal);
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), PrincipalsTable, row.Name, row.Revision);
        Expect(await transaction.Connection.ExecuteAsync(PrincipalRow.Update, row, transaction.Transaction), PrincipalsTable, row.Name);
        await _state.ChangedAsync(transaction, PrincipalsTable);
    }

    public async Task InsertAsync(IStoreTransaction transaction, Grant grant)
    {
        var row = GrantRow.Of(grant);
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), GrantsTable, row.IdText, row.Revision);
        await transaction.Connection.ExecuteAsync(GrantRow.Insert, row, transaction.Transaction);
        await _state.AddedAsync(transaction, GrantsTable);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, Grant grant)
    {
        var row = GrantRow.Of(grant);
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), GrantsTable, row.IdText, row.Revision);
        Expect(await transaction.Connection.ExecuteAsync(GrantRow.Update, row, transaction.Transaction), GrantsTable, row.IdText);
        await _state.ChangedAsync(transaction, GrantsTable);
    }

    // The register in memory and the table differ only when somebody else wrote the table.
    private static void Expect(int changed, string table, string rowId)
    {
        if (changed != 1)
        {
            throw new StoreTamperedException(table, rowId, "the row is not at the revision that the service wrote");
        }
    }
}
