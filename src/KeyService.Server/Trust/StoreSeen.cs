using System.Data.Common;
using System.Text;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// What a server has seen of the store, kept outside of it: a database that was put back to an earlier day cannot put that back (ADR 0196).
/// </summary>
/// <param name="Logs">The last record of each log slot.</param>
/// <param name="NewestTime">The latest time seen.</param>
/// <param name="Acceptances">Ids of what officers had accepted by then.</param>
internal sealed record StoreSeen(IReadOnlyList<SeenLog> Logs, DateTimeOffset NewestTime, IReadOnlyList<long> Acceptances)
{
    private const string Purpose = "store-seen";
    private const byte Format = 1;

    public static SealedFile File(TrustFiles files, RowAuthenticator rows) => new(files.Seen, Purpose, rows);

    /// <summary>Null when there is none, or none that this installation wrote.</summary>
    public static async Task<StoreSeen?> ReadAsync(SealedFile file, CancellationToken cancellationToken)
    {
        if (await file.ReadAsync(cancellationToken) is not { } content)
        {
            return null;
        }

        using var reader = new BinaryReader(new MemoryStream(content), Encoding.UTF8);
        if (reader.ReadByte() != Format)
        {
            return null;
        }

        var logs = SeenLog.Read(reader);
        var newest = UnixTime.FromNanoseconds(reader.ReadInt64());
        return new StoreSeen(logs, newest, [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => reader.ReadInt64())]);
    }

    public Task WriteAsync(SealedFile file, CancellationToken cancellationToken) => file.WriteAsync(
        LogPosition.ToArray(writer =>
        {
            writer.Write(Format);
            SeenLog.Write(writer, Logs);
            writer.Write(UnixTime.Nanoseconds(NewestTime));
            writer.Write(Acceptances.Count);
            foreach (var id in Acceptances)
            {
                writer.Write(id);
            }
        }),
        cancellationToken);

    /// <summary>Why the store is not the one that was seen, or one that went on from it; null when it is.</summary>
    public async Task<string?> DifferenceAsync(DbConnection connection, DbTransaction? transaction)
    {
        foreach (var log in Logs)
        {
            if (await log.MissingAsync(connection, transaction) is { } missing)
            {
                return missing;
            }
        }

        return null;
    }

    /// <summary>
    /// An acceptance that this server did not know and that is of the store as it stands; null when there is none. One that was copied out of another
    /// history does not fit: the records that it names do not stand there.
    /// </summary>
    public async Task<StoreAcceptance?> NewAcceptanceAsync(DbConnection connection, IEnumerable<StoreAcceptance> all)
    {
        foreach (var acceptance in all.Where(each => each.IsRestored && !Acceptances.Contains(each.Id)).Reverse())
        {
            if (await (this with { Logs = acceptance.Logs }).DifferenceAsync(connection, null) is null)
            {
                return acceptance;
            }
        }

        return null;
    }
}
