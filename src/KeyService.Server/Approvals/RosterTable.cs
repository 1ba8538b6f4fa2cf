using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Approvals;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Approvals;

/// <summary>SQL of rosters: written once, verified by their MACs and by the officers' signatures whenever they are read.</summary>
internal sealed class RosterTable(RowAuthenticator rows)
{
    private const string Table = "officer_rosters";

    private const string Columns =
        """
        SELECT sequence AS Sequence, document AS Document, installed_at AS InstalledAt, installed_by AS InstalledBy, revision AS Revision, mac AS Mac
        FROM officer_rosters
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Table, Columns, "sequence", "@Sequence", raw => new DecidingRow(raw.IdText, raw.Revision, raw.Canonical()))];

    private readonly RegisterState _register = new(rows);

    /// <summary>The whole chain; null when no roster was ever installed.</summary>
    /// <exception cref="StoreTamperedException">A roster was changed, taken away or put in from outside.</exception>
    public async Task<RosterChain?> LoadAsync(DbConnection connection, DbTransaction? transaction, CancellationToken cancellationToken)
    {
        var rosters = new List<SignedRoster>();
        foreach (var raw in await connection.QueryAsync<Raw>($"{Columns} ORDER BY sequence", null, transaction))
        {
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, Table, raw.IdText, raw.Revision, cancellationToken);
            rosters.Add(SignedRoster.TryParse(raw.Document, out var roster) ? roster!
                : throw new StoreTamperedException(Table, raw.IdText, "it is no roster"));
        }

        await _register.VerifyAsync(connection, Table, rosters.Count, rosters.Count, cancellationToken);
        if (rosters.Count == 0)
        {
            return null;
        }

        return RosterChain.Verify(rosters, out var finding, out var sequence)
            ?? throw new StoreTamperedException(Table, sequence.ToString(CultureInfo.InvariantCulture), $"the roster does not follow: {finding}");
    }

    public async Task InsertAsync(IStoreTransaction transaction, SignedRoster roster, string by)
    {
        var raw = new Raw(roster.Roster.Sequence, roster.ToArray(), UnixTime.Nanoseconds(transaction.Time), by, 1, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO officer_rosters (sequence, document, installed_at, installed_by, revision, mac)
            VALUES (@Sequence, @Document, @InstalledAt, @InstalledBy, @Revision, @Mac)
            """,
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Table, raw.IdText, raw.Revision) }, transaction.Transaction);
        await _register.AddedAsync(transaction, Table);
    }

    private sealed record Raw(long Sequence, byte[] Document, long InstalledAt, string InstalledBy, long Revision, byte[] Mac)
    {
        public string IdText => Sequence.ToString(CultureInfo.InvariantCulture);

        public byte[] Canonical() =>
            RowMac.Row(Table).AddInt64(Sequence).AddBytes(Document).AddInt64(InstalledAt).AddString(InstalledBy).AddInt64(Revision).ToArray();
    }
}
