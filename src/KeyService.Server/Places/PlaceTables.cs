using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Places;

/// <summary>SQL of place policies and of places seen. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class PlaceTables(RowAuthenticator rows)
{
    public const string Policies = "place_policies";
    private const string Places = "places_seen";

    private const string PolicyColumns =
        """
        SELECT principal AS Principal, most AS Most, window_seconds AS WindowSeconds, ipv4_prefix AS Ipv4Prefix, ipv6_prefix AS Ipv6Prefix, revision AS Revision, mac AS Mac
        FROM place_policies
        """;

    private const string PlaceColumns =
        """
        SELECT principal AS Principal, place AS Place, first_seen_at AS FirstSeenAt, last_seen_at AS LastSeenAt, revision AS Revision, mac AS Mac
        FROM places_seen
        """;

    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<RawPolicy>(Policies, PolicyColumns, "principal", "@Principal", raw => new DecidingRow(raw.Principal, raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawPlace>(Places, PlaceColumns, "principal, place", "@Principal, @Place", raw => new DecidingRow(raw.RowId, raw.Revision, raw.Canonical())),
    ];

    private readonly RegisterState _state = new(rows);

    /// <summary>Every policy there is.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<PlacePolicy>> ListPoliciesAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var all = new List<PlacePolicy>();
        foreach (var raw in await connection.QueryAsync<RawPolicy>($"{PolicyColumns} ORDER BY principal"))
        {
            all.Add(await VerifiedAsync(raw, cancellationToken));
        }

        await _state.VerifyAsync(connection, Policies, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all;
    }

    public async Task<PlacePolicy?> FindPolicyAsync(DbConnection connection, DbTransaction? transaction, string principal, CancellationToken cancellationToken) =>
        await connection.QuerySingleOrDefaultAsync<RawPolicy>($"{PolicyColumns} WHERE principal = @principal", new { principal }, transaction) is { } raw
            ? await VerifiedAsync(raw, cancellationToken)
            : null;

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, PlacePolicy policy)
    {
        var raw = new RawPolicy(policy.Principal, policy.Most, (long)policy.Window.TotalSeconds, policy.Ipv4Prefix, policy.Ipv6Prefix, policy.Revision, []);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Policies, raw.Principal, raw.Revision) };
        await ExpectAsync(transaction, Policies, raw.Principal, policy.Revision == 1
            ? """
              INSERT INTO place_policies (principal, most, window_seconds, ipv4_prefix, ipv6_prefix, revision, mac)
              VALUES (@Principal, @Most, @WindowSeconds, @Ipv4Prefix, @Ipv6Prefix, @Revision, @Mac)
              """
            : """
              UPDATE place_policies SET most = @Most, window_seconds = @WindowSeconds, ipv4_prefix = @Ipv4Prefix, ipv6_prefix = @Ipv6Prefix, revision = @Revision, mac = @Mac
              WHERE principal = @Principal AND revision = @Revision - 1
              """, raw);
        await (policy.Revision == 1 ? _state.AddedAsync(transaction, Policies) : _state.ChangedAsync(transaction, Policies));
    }

    /// <summary>Places of a principal that were used since a time, the latest first.</summary>
    public async Task<IReadOnlyList<SeenPlace>> ListSeenAsync(
        DbConnection connection, DbTransaction? transaction, string principal, DateTimeOffset since, CancellationToken cancellationToken)
    {
        var all = new List<SeenPlace>();
        foreach (var raw in await connection.QueryAsync<RawPlace>(
            $"{PlaceColumns} WHERE principal = @principal AND last_seen_at > @since ORDER BY last_seen_at DESC, place",
            new { principal, since = UnixTime.Nanoseconds(since) }, transaction))
        {
            all.Add(await VerifiedAsync(raw, cancellationToken));
        }

        return all;
    }

    public async Task<SeenPlace?> FindSeenAsync(IStoreTransaction transaction, string principal, string place) =>
        await transaction.Connection.QuerySingleOrDefaultAsync<RawPlace>(
            $"{PlaceColumns} WHERE principal = @principal AND place = @place", new { principal, place }, transaction.Transaction) is { } raw
            ? await VerifiedAsync(raw, CancellationToken.None)
            : null;

    /// <summary>As <see cref="WriteAsync(IStoreTransaction, PlacePolicy)"/>.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, SeenPlace seen)
    {
        var raw = new RawPlace(seen.Principal, seen.Place, UnixTime.Nanoseconds(seen.FirstSeen), UnixTime.Nanoseconds(seen.LastSeen), seen.Revision, []);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Places, raw.RowId, raw.Revision) };
        await ExpectAsync(transaction, Places, raw.RowId, seen.Revision == 1
            ? "INSERT INTO places_seen (principal, place, first_seen_at, last_seen_at, revision, mac) VALUES (@Principal, @Place, @FirstSeenAt, @LastSeenAt, @Revision, @Mac)"
            : "UPDATE places_seen SET last_seen_at = @LastSeenAt, revision = @Revision, mac = @Mac WHERE principal = @Principal AND place = @Place AND revision = @Revision - 1",
            raw);
    }

    private static async Task ExpectAsync(IStoreTransaction transaction, string table, string rowId, string sql, object row)
    {
        if (await transaction.Connection.ExecuteAsync(sql, row, transaction.Transaction) != 1)
        {
            throw new StoreTamperedException(table, rowId, "the row is not at the revision that the service wrote");
        }
    }

    private async Task<PlacePolicy> VerifiedAsync(RawPolicy raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Policies, raw.Principal, raw.Revision, cancellationToken);
        return new PlacePolicy
        {
            Principal = raw.Principal, Most = (int)raw.Most, Window = TimeSpan.FromSeconds(raw.WindowSeconds), Ipv4Prefix = (int)raw.Ipv4Prefix,
            Ipv6Prefix = (int)raw.Ipv6Prefix, Revision = raw.Revision,
        };
    }

    private async Task<SeenPlace> VerifiedAsync(RawPlace raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Places, raw.RowId, raw.Revision, cancellationToken);
        return new SeenPlace(raw.Principal, raw.Place, UnixTime.FromNanoseconds(raw.FirstSeenAt), UnixTime.FromNanoseconds(raw.LastSeenAt), raw.Revision);
    }

    private sealed record RawPolicy(string Principal, long Most, long WindowSeconds, long Ipv4Prefix, long Ipv6Prefix, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(Policies)
            .AddString(Principal).AddInt64(Most).AddInt64(WindowSeconds).AddInt64(Ipv4Prefix).AddInt64(Ipv6Prefix).AddInt64(Revision).ToArray();
    }

    private sealed record RawPlace(string Principal, string Place, long FirstSeenAt, long LastSeenAt, long Revision, byte[] Mac)
    {
        public string RowId => $"{Principal}/{Place}";

        public byte[] Canonical() => RowMac.Row(Places).AddString(Principal).AddString(Place).AddInt64(FirstSeenAt).AddInt64(LastSeenAt).AddInt64(Revision).ToArray();
    }
}
