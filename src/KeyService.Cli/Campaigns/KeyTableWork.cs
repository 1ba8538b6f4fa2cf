using KeyService.Cli.Adopt;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary>The SDK's table of wrapped data keys: re-wrapping touches this table alone, no field.</summary>
internal sealed class KeyTableWork : IHoldingWork
{
    private readonly KeyServiceClient client;
    private readonly AdoptionDatabase database;
    private readonly WrappedKeyTable table;

    private KeyTableWork(KeyServiceClient client, AdoptionDatabase database, WrappedKeyTable table, string? idle)
    {
        this.client = client;
        this.database = database;
        this.table = table;
        Idle = idle;
    }

    public string? Idle { get; }

    public static async Task<KeyTableWork> OpenAsync(
        KeyServiceClient client, string place, PostgresColumn? described, CampaignKind kind, CancellationToken cancellation)
    {
        var database = await AdoptionDatabase.OpenAsync(place, cancellation).ConfigureAwait(false);
        var table = described is null ? new WrappedKeyTable(database.Source) : new WrappedKeyTable(database.Source, $"{described.Schema}.{described.Table}");
        return new KeyTableWork(client, database, table, kind == CampaignKind.Reencrypt
            ? "data keys of a compromised version may be known: encrypt the fields under them anew, which makes new data keys"
            : null);
    }

    public async Task<VersionCounts> ScanAsync(CancellationToken cancellation)
    {
        var counts = new VersionCounts();
        await foreach (var row in table.ListAsync(cancellation).ConfigureAwait(false))
        {
            if (KeyVersionId.TryParse(row.KeyVersion, out var version))
            {
                counts.Add(version, 1);
            }
            else
            {
                counts.AddUnknown(1);
            }
        }
        return counts;
    }

    public async Task WorkAsync(WorkProgress progress, CancellationToken cancellation)
    {
        var done = await table.RewrapAsync(client, null, cancellation).ConfigureAwait(false);
        foreach (var failure in done.Failures)
        {
            progress.Fail(Convert.ToHexStringLower(failure.Id.Span), failure.Reason);
        }
        await progress.AdvanceAsync(done.Rewrapped, cancellation).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();
}
