using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Keys;

/// <summary>SQL of the changes of versions' states: only ever added to.</summary>
internal sealed class KeyTransitionTable(RowAuthenticator rows)
{
    private const string Table = "key_transitions";

    private const string Columns =
        """
        SELECT version_id AS VersionId, number AS Number, from_state AS FromState, to_state AS ToState, changed_at AS ChangedAt,
            changed_by AS ChangedBy, reason AS Reason, mac AS Mac
        FROM key_transitions
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Table, Columns, "version_id, number", "@VersionId, @Number", raw => new DecidingRow(raw.RowId, 1, raw.Canonical()))];

    public async Task InsertAsync(IStoreTransaction transaction, KeyVersionId versionId, KeyTransition transition)
    {
        var raw = new Raw(
            KeyTables.Signed(versionId), transition.Number, (long?)transition.From, (long)transition.To,
            UnixTime.Nanoseconds(transition.Change.Time), transition.Change.By, transition.Change.Reason, []);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Table, raw.RowId, 1) };
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO key_transitions (version_id, number, from_state, to_state, changed_at, changed_by, reason, revision, mac)
            VALUES (@VersionId, @Number, @FromState, @ToState, @ChangedAt, @ChangedBy, @Reason, 1, @Mac)
            """,
            raw, transaction.Transaction);
    }

    /// <summary>All transitions of a version, oldest first.</summary>
    /// <exception cref="StoreTamperedException">One was changed, or some are missing.</exception>
    public async Task<IReadOnlyList<KeyTransition>> ListAsync(DbConnection connection, KeyVersionRow version, CancellationToken cancellationToken) =>
        (await ListAsync(connection, [version], cancellationToken))[version.Id];

    /// <summary>All transitions of each of some versions, oldest first, in one statement.</summary>
    /// <exception cref="StoreTamperedException">One was changed, or some are missing.</exception>
    public async Task<IReadOnlyDictionary<KeyVersionId, IReadOnlyList<KeyTransition>>> ListAsync(
        DbConnection connection, IReadOnlyCollection<KeyVersionRow> versions, CancellationToken cancellationToken)
    {
        var lists = versions.ToDictionary(version => version.Id, _ => new List<KeyTransition>());
        foreach (var raw in await connection.QueryAsync<Raw>(
            $"{Columns} WHERE version_id {Among.Values(connection, "ids")} ORDER BY version_id, number",
            new { ids = versions.Select(version => KeyTables.Signed(version.Id)).ToArray() }))
        {
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, Table, raw.RowId, 1, cancellationToken);
            lists[KeyTables.Unsigned(raw.VersionId)].Add(new KeyTransition(
                raw.Number, (KeyState?)raw.FromState, (KeyState)raw.ToState,
                new StateChange(UnixTime.FromNanoseconds(raw.ChangedAt), raw.ChangedBy, raw.Reason)));
        }

        foreach (var version in versions)
        {
            var list = lists[version.Id];
            if (list.Count != version.TransitionCount || list.Index().Any(each => each.Item.Number != each.Index + 1))
            {
                throw new StoreTamperedException(
                    Table, $"{version.Id}/*", $"{version.TransitionCount} transitions are accounted for, {list.Count} are there");
            }
        }

        return lists.ToDictionary(each => each.Key, each => (IReadOnlyList<KeyTransition>)each.Value);
    }

    private sealed record Raw(
        long VersionId, long Number, long? FromState, long ToState, long ChangedAt, string ChangedBy, string Reason, byte[] Mac)
    {
        public string RowId => string.Create(CultureInfo.InvariantCulture, $"{KeyTables.Unsigned(VersionId)}/{Number}");

        public byte[] Canonical() => RowMac.Row(Table).AddInt64(VersionId).AddInt64(Number).AddInt64(FromState).AddInt64(ToState)
            .AddInt64(ChangedAt).AddString(ChangedBy).AddString(Reason).AddInt64(1).ToArray();
    }
}
