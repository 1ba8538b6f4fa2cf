using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Detection;

/// <summary>A month whose findings somebody signed off: docs/spec/review.md.</summary>
internal sealed class SignOffRow
{
    public string Month { get; set; } = "";

    public string Reviewer { get; set; } = "";

    public long Findings { get; set; }

    /// <summary>The signed note.</summary>
    public byte[] Note { get; set; } = [];

    public long SignedAt { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public byte[] Canonical() => RowMac.Row(SignOffTable.Name)
        .AddString(Month).AddString(Reviewer).AddInt64(Findings).AddBytes(Note).AddInt64(SignedAt).AddInt64(Revision).ToArray();
}

/// <summary>SQL of signed months. A row is written once.</summary>
internal sealed class SignOffTable(RowAuthenticator rows)
{
    public const string Name = "sign_offs";

    private const string Columns =
        "SELECT month AS Month, reviewer AS Reviewer, findings AS Findings, note AS Note, signed_at AS SignedAt, revision AS Revision, mac AS Mac FROM sign_offs";

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<SignOffRow>(Name, Columns, "month", "@Month", row => new DecidingRow(row.Month, row.Revision, row.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>All of them, the latest month first.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<SignOffRow>> ListAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var all = (await connection.QueryAsync<SignOffRow>($"{Columns} ORDER BY month DESC")).AsList();
        foreach (var row in all)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.Month, row.Revision, cancellationToken);
        }

        await _state.VerifyAsync(connection, Name, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all;
    }

    public async Task InsertAsync(IStoreTransaction transaction, SignOffRow row)
    {
        row.Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.Month, row.Revision);
        await transaction.Connection.ExecuteAsync(
            "INSERT INTO sign_offs (month, reviewer, findings, note, signed_at, revision, mac) VALUES (@Month, @Reviewer, @Findings, @Note, @SignedAt, @Revision, @Mac)",
            row, transaction.Transaction);
        await _state.AddedAsync(transaction, Name);
    }
}
