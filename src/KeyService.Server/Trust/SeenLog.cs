using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>The last record of a log slot: another history has another one in its place, because each holds its time.</summary>
/// <param name="Slot">The slot.</param>
/// <param name="Sequence">The record's number; its log holds one more.</param>
/// <param name="LeafHash">32 bytes, made of the record itself and not taken from beside it.</param>
internal sealed record SeenLog(int Slot, long Sequence, byte[] LeafHash)
{
    /// <summary>The record's time; the beginning of time when it was not read from a log.</summary>
    public DateTimeOffset Time { get; private init; } = DateTimeOffset.UnixEpoch;

    /// <summary>The last record of each of the slots; a slot without any is left out.</summary>
    public static async Task<List<SeenLog>> ReadEndsAsync(DbConnection connection, DbTransaction? transaction, IEnumerable<int> slots)
    {
        var ends = new List<SeenLog>();
        foreach (var slot in slots)
        {
            var row = await connection.QueryFirstOrDefaultAsync<Row>(
                "SELECT sequence AS Sequence, record AS Record FROM audit_records WHERE slot = @slot ORDER BY sequence DESC LIMIT 1", new { slot }, transaction);
            if (row is not null)
            {
                ends.Add(new SeenLog(slot, row.Sequence, AuditRecord.LeafHash(row.Record))
                {
                    Time = AuditRecord.TryParse(row.Record, out var record) ? UnixTime.FromNanoseconds(record!.TimeUnixNanoseconds) : DateTimeOffset.UnixEpoch,
                });
            }
        }

        return ends;
    }

    /// <summary>Why this record does not stand in the log any more; null when it does.</summary>
    public async Task<string?> MissingAsync(DbConnection connection, DbTransaction? transaction)
    {
        var record = await connection.QueryFirstOrDefaultAsync<byte[]>(
            "SELECT record FROM audit_records WHERE slot = @Slot AND sequence = @Sequence", this, transaction);
        return record is null ? $"log slot {Slot} ends before record {Sequence}, which stood there"
            : AuditRecord.LeafHash(record).AsSpan().SequenceEqual(LeafHash) ? null
            : $"record {Sequence} of log slot {Slot} is another one than stood there";
    }

    public static void Write(BinaryWriter writer, IReadOnlyCollection<SeenLog> logs)
    {
        writer.Write(logs.Count);
        foreach (var (slot, sequence, leafHash) in logs)
        {
            writer.Write(slot);
            writer.Write(sequence);
            writer.Write(leafHash);
        }
    }

    public static List<SeenLog> Read(BinaryReader reader)
    {
        var logs = new List<SeenLog>();
        for (var left = reader.ReadInt32(); left > 0; left--)
        {
            logs.Add(new SeenLog(reader.ReadInt32(), reader.ReadInt64(), reader.ReadBytes(32)));
        }

        return logs;
    }

    private sealed record Row(long Sequence, byte[] Record);
}
