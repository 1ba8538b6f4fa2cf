using KeyService.Cli.Adopt;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.Cli.Campaigns;

/// <summary>
/// Works through a column in the order of its primary key. What is left to do is read from the values themselves, by the version in their
/// first bytes, so nothing has to be kept between two runs; a value is replaced only where it is still the one that was read, and only by
/// one that the service has opened.
/// </summary>
internal sealed class ColumnWork : IHoldingWork
{
    private const int MostRows = 1000;
    private const int MostBytes = 2 * 1024 * 1024;

    private readonly KeyServiceClient client;
    private readonly AdoptionDatabase database;
    private readonly NpgsqlConnection connection;
    private readonly HoldingColumn column;
    private readonly IReadOnlyList<KeyVersionId> versions;
    private int limit = 50;

    private ColumnWork(
        KeyServiceClient client, AdoptionDatabase database, NpgsqlConnection connection, HoldingColumn column, IReadOnlyList<KeyVersionId> versions,
        string? idle)
    {
        this.client = client;
        this.database = database;
        this.connection = connection;
        this.column = column;
        this.versions = versions;
        Idle = idle;
    }

    public string? Idle { get; }

    public static async Task<ColumnWork> OpenAsync(
        KeyServiceClient client, string place, PostgresColumn described, IReadOnlyList<KeyVersionId> versions, CampaignKind kind, CancellationToken cancellation)
    {
        var database = await AdoptionDatabase.OpenAsync(place, cancellation).ConfigureAwait(false);
        try
        {
            var connection = await database.Source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
            // A commit that a crash of the database takes back would bring an old version back after it was reported gone.
            await Sql.ExecuteAsync(
                connection, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'", cancellation)
                .ConfigureAwait(false);
            var column = await HoldingColumn.FindAsync(connection, described, cancellation).ConfigureAwait(false);
            var idle = kind == CampaignKind.Reencrypt && !column.HoldsTokens
                ? "wrapped keys of a compromised version may be known: encrypt the data under them anew, under new data keys"
                : null;
            return new ColumnWork(client, database, connection, column, versions, idle);
        }
        catch
        {
            await database.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public Task<VersionCounts> ScanAsync(CancellationToken cancellation) => column.ScanAsync(connection, cancellation);

    public async Task WorkAsync(WorkProgress progress, CancellationToken cancellation)
    {
        string[]? after = null;
        while (await ReadAsync(after, cancellation).ConfigureAwait(false) is { Count: > 0 } rows)
        {
            after = rows[^1].Key;
            foreach (var part in Parts(rows))
            {
                var made = await MakeAsync(part, progress, cancellation).ConfigureAwait(false);
                var written = made.Count == 0 ? 0 : await column.ReplaceAsync(connection, made, cancellation).ConfigureAwait(false);
                await progress.AdvanceAsync(written, cancellation).ConfigureAwait(false);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync().ConfigureAwait(false);
        await database.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<List<ColumnRow>> ReadAsync(string[]? after, CancellationToken cancellation)
    {
        await using var command = column.Select(connection, versions, after, limit);
        await using var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        var rows = new List<ColumnRow>(limit);
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
        {
            rows.Add(column.Read(reader));
        }
        // Documents in a column take no more memory than numbers: the next batch is sized by what this one held.
        var bytes = rows.Sum(row => (long)row.CallBytes);
        limit = (int)Math.Clamp((long)MostBytes * rows.Count / Math.Max(bytes, 1), 1, MostRows);
        return rows;
    }

    private static IEnumerable<List<ColumnRow>> Parts(List<ColumnRow> rows)
    {
        var part = new List<ColumnRow>();
        var bytes = 0;
        foreach (var row in rows)
        {
            if (part.Count > 0 && bytes + row.CallBytes > MostBytes)
            {
                yield return part;
                (part, bytes) = ([], 0);
            }
            part.Add(row);
            bytes += row.CallBytes;
        }
        yield return part;
    }

    // New values for the rows that have one, each opened by the service once more before an old one goes.
    private async Task<List<(ColumnRow Row, byte[] Value)>> MakeAsync(List<ColumnRow> part, WorkProgress progress, CancellationToken cancellation)
    {
        var sound = new List<ColumnRow>(part.Count);
        foreach (var row in part)
        {
            if (row.Value is null || row.Context is null)
            {
                progress.Fail(row.KeyText, row.Value is null ? "no field token" : "its columns make no context or subject id");
            }
            else
            {
                sound.Add(row);
            }
        }
        if (sound.Count == 0)
        {
            return [];
        }
        var made = Keep(await CallAsync([.. sound.Select(row => (row, row.Value!))], cancellation).ConfigureAwait(false), sound, progress);
        if (made.Count == 0)
        {
            return [];
        }
        var proofs = await CallAsync(made, cancellation).ConfigureAwait(false);
        var proven = Keep(proofs, [.. made.Select(each => each.Row)], progress).Select(each => each.Row).ToHashSet();
        return [.. made.Where(each => proven.Contains(each.Row))];
    }

    private static List<(ColumnRow Row, byte[] Value)> Keep(
        IReadOnlyList<(byte[]? Value, string? Error)> results, List<ColumnRow> rows, WorkProgress progress)
    {
        var kept = new List<(ColumnRow, byte[])>(rows.Count);
        for (var i = 0; i < rows.Count; i++)
        {
            if (results[i].Value is { } value)
            {
                kept.Add((rows[i], value));
            }
            else
            {
                progress.Fail(rows[i].KeyText, results[i].Error ?? "not answered");
            }
        }
        return kept;
    }

    private async Task<IReadOnlyList<(byte[]? Value, string? Error)>> CallAsync(
        List<(ColumnRow Row, byte[] Value)> items, CancellationToken cancellation)
    {
        if (column.HoldsTokens)
        {
            var tokens = await client.Cipher.ReencryptBatchAsync(
                EncryptionContext.Empty, items.Select(item => new FieldItem(item.Value, item.Row.Context)), cancellation).ConfigureAwait(false);
            return [.. tokens.Select(result => (result.Error is null ? result.Data.ToArray() : null, result.Error))];
        }
        var wrapped = await client.DataKeys.RewrapManyAsync(
            items.Select(item => ((ReadOnlyMemory<byte>)item.Value, column.ScopeOf(item.Row))), cancellation).ConfigureAwait(false);
        return [.. wrapped.Select(result => (result.Rewrapped?.Wrapped.ToArray(), result.Error))];
    }
}
