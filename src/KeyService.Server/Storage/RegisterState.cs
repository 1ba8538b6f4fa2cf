using System.Data.Common;
using Dapper;
using KeyService.Crypto;

namespace KeyService.Server.Storage;

/// <summary>
/// Notices rows that were deleted or put back to an earlier state. For each register (table of deciding rows) one MACed row holds the
/// number of its rows and the sum of their revisions. Revisions begin at 1 and grow by 1, so whoever deletes a row or puts an old one back
/// can only lower the two, and nobody without the integrity key can make the smaller numbers valid (ADR 0052).
/// </summary>
internal sealed class RegisterState(RowAuthenticator rows)
{
    /// <summary>Call once for each register when the installation is made; afterwards a missing state row is itself a finding.</summary>
    public Task CreateAsync(IStoreTransaction transaction, string register, long rowCount = 0, long changeCount = 0) =>
        WriteAsync(transaction, register, new State(rowCount, changeCount));

    /// <summary>
    /// Begins a register on a store that an older version made. Its table has been made by a migration just now: rows in it, or a state,
    /// come from somebody else.
    /// </summary>
    /// <param name="register">The table's name, of this program's own.</param>
    /// <exception cref="StoreTamperedException">The register is not new.</exception>
    public async Task BeginAsync(IStoreTransaction transaction, string register)
    {
        var there = await transaction.Connection.ExecuteScalarAsync<long>(
            $"SELECT (SELECT COUNT(*) FROM {register}) + (SELECT COUNT(*) FROM register_state WHERE register = @register)",
            new { register }, transaction.Transaction);
        if (there != 0)
        {
            throw new StoreTamperedException(register, "*", "the register begins now, and rows are there already");
        }

        await CreateAsync(transaction, register);
    }

    /// <summary>Call in the change that inserts a row with revision 1.</summary>
    public Task AddedAsync(IStoreTransaction transaction, string register) => MoveAsync(transaction, register, addedRows: 1);

    /// <summary>Call in the change that raises a row's revision by 1.</summary>
    public Task ChangedAsync(IStoreTransaction transaction, string register) => MoveAsync(transaction, register, addedRows: 0);

    /// <summary>Compares the register's state with what a load found, in the same snapshot.</summary>
    /// <exception cref="StoreTamperedException">Rows are missing or were put back, or the state row itself was changed.</exception>
    public async Task VerifyAsync(DbConnection connection, string register, long rowCount, long revisionSum, CancellationToken cancellationToken)
    {
        var state = await ReadAsync(connection, null, register, cancellationToken);
        if (state.RowCount != rowCount || state.ChangeCount != revisionSum)
        {
            throw new StoreTamperedException(
                register, "*", $"{state.RowCount} rows with {state.ChangeCount} changes are accounted for, {rowCount} with {revisionSum} are there");
        }
    }

    private async Task MoveAsync(IStoreTransaction transaction, string register, int addedRows)
    {
        var before = await ReadAsync(transaction.Connection, transaction.Transaction, register, CancellationToken.None);
        await WriteAsync(transaction, register, new State(before.RowCount + addedRows, before.ChangeCount + 1));
    }

    private async Task WriteAsync(IStoreTransaction transaction, string register, State state)
    {
        var mac = await rows.MacAsync(Canonical(register, state), CancellationToken.None);
        transaction.OnCommitted(() => rows.Seen.Note("register_state", register, state.ChangeCount));
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO register_state (register, row_count, change_count, mac) VALUES (@register, @RowCount, @ChangeCount, @mac)
            ON CONFLICT (register) DO UPDATE SET row_count = @RowCount, change_count = @ChangeCount, mac = @mac
            """,
            new { register, state.RowCount, state.ChangeCount, mac },
            transaction.Transaction);
    }

    private async Task<State> ReadAsync(DbConnection connection, DbTransaction? transaction, string register, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            "SELECT row_count AS RowCount, change_count AS ChangeCount, mac AS Mac FROM register_state WHERE register = @register",
            new { register }, transaction);
        if (row is null)
        {
            throw new StoreTamperedException("register_state", register, "the row is missing");
        }

        var state = new State(row.RowCount, row.ChangeCount);
        await rows.VerifyAsync(Canonical(register, state), row.Mac, "register_state", register, state.ChangeCount, cancellationToken);
        return state;
    }

    private static byte[] Canonical(string register, State state) =>
        RowMac.Row("register_state").AddString(register).AddInt64(state.RowCount).AddInt64(state.ChangeCount).ToArray();

    private readonly record struct State(long RowCount, long ChangeCount);

    private sealed record Row(long RowCount, long ChangeCount, byte[] Mac);
}
