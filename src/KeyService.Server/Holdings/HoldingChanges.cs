using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Holdings;

/// <summary>The changes of holdings, each inside the transaction that also holds its audit record.</summary>
internal sealed class HoldingChanges(AccessRegister access, RowAuthenticator rows)
{
    private readonly HoldingTables _holdings = new(rows);
    private readonly CampaignTables _campaigns = new(rows);

    /// <exception cref="Refusal">ALREADY_EXISTS; INVALID_ARGUMENT when there is no such owner.</exception>
    public async Task<Wire.Holding> RegisterAsync(IStoreTransaction transaction, Holding holding)
    {
        if (!access.Current.Principals.TryGetValue(holding.Owner, out var owner) || owner.Disabled)
        {
            throw Refusal.InvalidArgument("holding.owner", "must be a principal that is registered and not disabled");
        }

        if (await _holdings.FindAsync(transaction.Connection, transaction.Transaction, holding.Name, CancellationToken.None) is not null)
        {
            throw Refusal.AlreadyExists($"A holding named {holding.Name}");
        }

        var stored = holding with { CreateTime = transaction.Time };
        await _holdings.InsertAsync(transaction, stored);
        return HoldingMessages.ToWire(stored, []);
    }

    /// <summary>Retiring a retired one changes nothing and answers it.</summary>
    /// <exception cref="Refusal">NOT_FOUND; STILL_NEEDED for a write-once holding before its retention ends.</exception>
    public async Task<Wire.Holding> RetireAsync(IStoreTransaction transaction, string name)
    {
        var before = await FindAsync(transaction, name) ?? throw Refusal.NotFound($"Holding '{name}'");
        if (before.IsWriteOnce(transaction.Time))
        {
            throw new Refusal(
                Reason.StillNeeded,
                $"Holding '{name}' is write-once until {before.WriteOnceUntil:yyyy-MM-dd}: what it holds is there until then. Retire it afterwards.");
        }

        var after = before.Retired ? before : before with { Retired = true, ScanId = null, ScanBeganAt = null, Revision = before.Revision + 1 };
        if (!before.Retired)
        {
            await _holdings.UpdateAsync(transaction, after);
        }

        return await ToWireAsync(transaction, after);
    }

    /// <summary>Takes a report of the holding's owner.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED: no such holding, or not the caller's; NOT_FOUND: another scan began since, or the campaign is
    /// not there; INVALID_ARGUMENT.</exception>
    public async Task<ReportHoldingResponse> ReportAsync(
        IStoreTransaction transaction, string principal, ReportHoldingRequest request, IReadOnlyDictionary<KeyVersionId, long> reported)
    {
        var before = await FindAsync(transaction, request.Name);
        if (before is null || before.Owner != principal)
        {
            throw Refusal.AccessDenied();
        }

        if (before.Retired)
        {
            throw Refusal.InvalidArgument("name", "is a retired holding; register it anew under another name if it lives on");
        }

        var known = await HoldingTables.KnownAsync(transaction, reported.Keys);
        var counts = reported.Where(count => known.Contains(count.Key)).ToDictionary();
        var unknown = request.UnknownItems + reported.Where(count => !known.Contains(count.Key)).Sum(count => count.Value);
        var after = request.Phase switch
        {
            ScanPhase.Begin => before with { ScanId = AccessAdministration.NewId(), ScanBeganAt = transaction.Time },
            ScanPhase.Progress => before,
            _ => Completed(before, request.ScanId, transaction.Time) with { UnknownItems = unknown },
        };
        if (after != before)
        {
            after = after with { Revision = before.Revision + 1 };
            await _holdings.UpdateAsync(transaction, after);
        }

        if (request.Phase != ScanPhase.Begin)
        {
            await CountAsync(transaction, before.Name, counts, whole: request.Phase == ScanPhase.Complete);
        }

        if (request.Progress is { } progress)
        {
            await ProgressAsync(transaction, before.Name, progress);
        }

        return new ReportHoldingResponse
        {
            Holding = await ToWireAsync(transaction, after),
            ScanId = request.Phase == ScanPhase.Begin ? HoldingMessages.ScanIdText(after.ScanId!.Value) : "",
        };
    }

    private static Holding Completed(Holding before, string scanId, DateTimeOffset now) =>
        before.ScanId is { } running && HoldingMessages.ScanIdText(running) == scanId
            ? before with { ScanId = null, ScanBeganAt = null, ScannedFrom = before.ScanBeganAt, ScannedAt = now }
            : throw Refusal.NotFound("The scan, or another one has begun since; it");

    // A scan that saw only a part can add to what is known and never take away from it.
    private async Task CountAsync(IStoreTransaction transaction, string holding, Dictionary<KeyVersionId, long> counts, bool whole)
    {
        var known = (await _holdings.VersionsOfAsync(transaction.Connection, transaction.Transaction, holding, CancellationToken.None))
            .ToDictionary(each => each.Version);
        foreach (var version in counts.Keys.Union(whole ? known.Keys : []).Order())
        {
            var found = counts.GetValueOrDefault(version);
            var before = known.GetValueOrDefault(version);
            var items = whole ? found : Math.Max(found, before?.Items ?? 0);
            if (before is null ? items > 0 : items != before.Items)
            {
                await _holdings.PutVersionAsync(transaction, new HoldingVersion(
                    holding, version, items, Math.Max(items, before?.MostItems ?? 0), transaction.Time, (before?.Revision ?? 0) + 1));
            }
        }
    }

    private async Task ProgressAsync(IStoreTransaction transaction, string holding, Wire.CampaignProgress progress)
    {
        if (await _campaigns.FindAsync(transaction.Connection, transaction.Transaction, progress.Campaign, CancellationToken.None)
            is not { State: CampaignState.Running })
        {
            throw Refusal.NotFound($"A running campaign named '{progress.Campaign}'");
        }

        var before = (await _campaigns.ProgressOfAsync(transaction.Connection, transaction.Transaction, progress.Campaign, CancellationToken.None))
            .FirstOrDefault(each => each.Holding == holding);
        await _campaigns.PutProgressAsync(transaction, new CampaignProgress(
            progress.Campaign, holding, progress.ItemsDone, progress.ItemsTotal, progress.ItemsFailed, transaction.Time, (before?.Revision ?? 0) + 1));
    }

    private Task<Holding?> FindAsync(IStoreTransaction transaction, string name) =>
        _holdings.FindAsync(transaction.Connection, transaction.Transaction, name, CancellationToken.None);

    private async Task<Wire.Holding> ToWireAsync(IStoreTransaction transaction, Holding holding) => HoldingMessages.ToWire(
        holding, await _holdings.VersionsOfAsync(transaction.Connection, transaction.Transaction, holding.Name, CancellationToken.None));
}
