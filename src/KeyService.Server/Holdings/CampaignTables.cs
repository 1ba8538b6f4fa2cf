using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Holdings;

/// <summary>SQL of campaigns and their progress. Verified and MACed as in <see cref="HoldingTables"/>.</summary>
internal sealed class CampaignTables(RowAuthenticator rows)
{
    public const string CampaignsTable = "campaigns";
    private const string ProgressTable = "campaign_progress";

    private const string CampaignColumns =
        """
        name AS Name, kind AS Kind, key_name AS KeyName, versions AS Versions, items_per_second AS ItemsPerSecond, state AS State,
        started_by AS StartedBy, started_at AS StartedAt, ended_by AS EndedBy, ended_at AS EndedAt, proof AS Proof,
        revision AS Revision, mac AS Mac
        """;

    private const string ProgressColumns =
        """
        campaign AS Campaign, holding AS Holding, items_done AS ItemsDone, items_total AS ItemsTotal, items_failed AS ItemsFailed,
        reported_at AS ReportedAt, revision AS Revision, mac AS Mac
        """;

    /// <summary>How the scrub reads the tables.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
    [
        DecidingTable.Of<RawCampaign>(
            CampaignsTable, $"SELECT {CampaignColumns} FROM campaigns", "name", "@Name",
            raw => new DecidingRow(raw.Name, raw.Revision, raw.Canonical())),
        DecidingTable.Of<RawProgress>(
            ProgressTable, $"SELECT {ProgressColumns} FROM campaign_progress", "campaign, holding", "@Campaign, @Holding",
            raw => new DecidingRow(raw.RowId, raw.Revision, raw.Canonical())),
    ];

    private readonly RegisterState _registers = new(rows);

    /// <summary>A campaign by name; null when there is none.</summary>
    /// <exception cref="StoreTamperedException">The row was changed.</exception>
    public async Task<Campaign?> FindAsync(DbConnection connection, DbTransaction? transaction, string name, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<RawCampaign>(
            $"SELECT {CampaignColumns} FROM campaigns WHERE name = @name", new { name }, transaction);
        return raw is null ? null : await VerifyAsync(raw, cancellationToken);
    }

    /// <summary>Campaigns after a name, in byte order.</summary>
    public async Task<IReadOnlyList<Campaign>> ListAsync(DbConnection connection, string after, int limit, CancellationToken cancellationToken)
    {
        var list = new List<Campaign>();
        foreach (var raw in await connection.QueryAsync<RawCampaign>(
            $"SELECT {CampaignColumns} FROM campaigns WHERE name > @after ORDER BY name LIMIT @limit", new { after, limit }))
        {
            list.Add(await VerifyAsync(raw, cancellationToken));
        }

        return list;
    }

    public async Task InsertAsync(IStoreTransaction transaction, Campaign campaign)
    {
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO campaigns
                (name, kind, key_name, versions, items_per_second, state, started_by, started_at, ended_by, ended_at, proof, revision, mac)
            VALUES (@Name, @Kind, @KeyName, @Versions, @ItemsPerSecond, @State, @StartedBy, @StartedAt, @EndedBy, @EndedAt, @Proof,
                @Revision, @Mac)
            """,
            await SealAsync(transaction, campaign), transaction.Transaction);
        await _registers.AddedAsync(transaction, CampaignsTable);
    }

    /// <summary>Writes a state with a revision one higher than the row's.</summary>
    public async Task UpdateAsync(IStoreTransaction transaction, Campaign campaign)
    {
        await transaction.Connection.ExecuteAsync(
            """
            UPDATE campaigns SET state = @State, ended_by = @EndedBy, ended_at = @EndedAt, proof = @Proof, revision = @Revision, mac = @Mac
            WHERE name = @Name AND revision = @Revision - 1
            """,
            await SealAsync(transaction, campaign), transaction.Transaction);
        await _registers.ChangedAsync(transaction, CampaignsTable);
    }

    /// <summary>Progress of a campaign, by holding.</summary>
    public async Task<IReadOnlyList<CampaignProgress>> ProgressOfAsync(
        DbConnection connection, DbTransaction? transaction, string campaign, CancellationToken cancellationToken)
    {
        var list = new List<CampaignProgress>();
        foreach (var raw in await connection.QueryAsync<RawProgress>(
            $"SELECT {ProgressColumns} FROM campaign_progress WHERE campaign = @campaign ORDER BY holding", new { campaign }, transaction))
        {
            await rows.VerifyAsync(raw.Canonical(), raw.Mac, ProgressTable, raw.RowId, raw.Revision, cancellationToken);
            list.Add(new CampaignProgress(
                raw.Campaign, raw.Holding, raw.ItemsDone, raw.ItemsTotal, raw.ItemsFailed, UnixTime.FromNanoseconds(raw.ReportedAt), raw.Revision));
        }

        return list;
    }

    /// <summary>Inserts a progress of revision 1, or puts it in the place of the earlier one.</summary>
    public async Task PutProgressAsync(IStoreTransaction transaction, CampaignProgress progress)
    {
        var raw = new RawProgress(
            progress.Campaign, progress.Holding, progress.ItemsDone, progress.ItemsTotal, progress.ItemsFailed,
            UnixTime.Nanoseconds(progress.ReportTime), progress.Revision, []);
        await transaction.Connection.ExecuteAsync(
            """
            INSERT INTO campaign_progress (campaign, holding, items_done, items_total, items_failed, reported_at, revision, mac)
            VALUES (@Campaign, @Holding, @ItemsDone, @ItemsTotal, @ItemsFailed, @ReportedAt, @Revision, @Mac)
            ON CONFLICT (campaign, holding) DO UPDATE SET items_done = @ItemsDone, items_total = @ItemsTotal, items_failed = @ItemsFailed,
                reported_at = @ReportedAt, revision = @Revision, mac = @Mac
            """,
            raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), ProgressTable, raw.RowId, raw.Revision) }, transaction.Transaction);
    }

    private async Task<Campaign> VerifyAsync(RawCampaign raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, CampaignsTable, raw.Name, raw.Revision, cancellationToken);
        return new Campaign(
            raw.Name, (CampaignKind)raw.Kind, raw.KeyName, VersionList.Parse(raw.Versions), (int)raw.ItemsPerSecond, (CampaignState)raw.State,
            raw.StartedBy, UnixTime.FromNanoseconds(raw.StartedAt), raw.EndedBy, UnixTime.FromNanoseconds(raw.EndedAt), raw.Proof, raw.Revision);
    }

    private async Task<RawCampaign> SealAsync(IStoreTransaction transaction, Campaign campaign)
    {
        var raw = new RawCampaign(
            campaign.Name, (long)campaign.Kind, campaign.Key, VersionList.Format(campaign.Versions), campaign.ItemsPerSecond, (long)campaign.State,
            campaign.StartedBy, UnixTime.Nanoseconds(campaign.StartTime), campaign.EndedBy, UnixTime.Nanoseconds(campaign.EndTime),
            campaign.Proof, campaign.Revision, []);
        return raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), CampaignsTable, raw.Name, raw.Revision) };
    }

    private sealed record RawCampaign(
        string Name, long Kind, string KeyName, string Versions, long ItemsPerSecond, long State, string StartedBy, long StartedAt,
        string? EndedBy, long? EndedAt, byte[]? Proof, long Revision, byte[] Mac)
    {
        public byte[] Canonical() => RowMac.Row(CampaignsTable).AddString(Name).AddInt64(Kind).AddString(KeyName).AddString(Versions)
            .AddInt64(ItemsPerSecond).AddInt64(State).AddString(StartedBy).AddInt64(StartedAt).AddString(EndedBy).AddInt64(EndedAt)
            .AddBytes(Proof).AddInt64(Revision).ToArray();
    }

    private sealed record RawProgress(
        string Campaign, string Holding, long ItemsDone, long ItemsTotal, long ItemsFailed, long ReportedAt, long Revision, byte[] Mac)
    {
        public string RowId => $"{Campaign}:{Holding}";

        public byte[] Canonical() => RowMac.Row(ProgressTable).AddString(Campaign).AddString(Holding).AddInt64(ItemsDone).AddInt64(ItemsTotal)
            .AddInt64(ItemsFailed).AddInt64(ReportedAt).AddInt64(Revision).ToArray();
    }
}
