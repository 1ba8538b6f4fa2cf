using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>A record as docs/spec/audit-record.md lays it out, as far as these tests ask.</summary>
internal sealed record LoggedCall(long Sequence, ushort Event, byte Outcome, string Reason, string TraceId, string RequestId, string Detail)
{
    public const byte Success = 1, Refused = 2, Failed = 3, Opened = 5;
}

/// <summary>
/// Reads the log from a copy of the store's files, with a decoder of its own: what is on the disk counts, not what the server says. Every
/// leaf hash, the numbering and the layout are checked on the way.
/// </summary>
internal static class AuditLogOnDisk
{
    private const int EventField = 4, OutcomeField = 6, ReasonField = 18, TraceIdField = 19, RequestIdField = 20, DetailField = 23;

    /// <summary>All records of slot 0 from <paramref name="from"/> on; the files may be those of a running or of a killed server.</summary>
    public static async Task<List<LoggedCall>> ReadAsync(string storePath, long from = 0)
    {
        var copy = Directory.CreateTempSubdirectory("keyservice-log-");
        try
        {
            var path = Path.Combine(copy.FullName, "copy.db");
            // The file first: what a checkpoint moves meanwhile still stands in the log that is copied after it.
            foreach (var suffix in new[] { "", "-wal" }.Where(suffix => File.Exists(storePath + suffix)))
            {
                File.Copy(storePath + suffix, path + suffix);
            }
            await using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
            var rows = await connection.QueryAsync<(long Sequence, byte[] Record, byte[] LeafHash)>(
                "SELECT sequence, record, leaf_hash FROM audit_records WHERE slot = 0 AND sequence >= @from ORDER BY sequence", new { from });
            var calls = new List<LoggedCall>();
            foreach (var row in rows)
            {
                Assert.Equal(from + calls.Count, row.Sequence);
                Assert.Equal(SHA256.HashData([0, .. row.Record]), row.LeafHash);
                calls.Add(Decode(row.Sequence, row.Record));
            }
            return calls;
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    /// <summary>One record's bytes.</summary>
    public static LoggedCall Decode(long sequence, byte[] record)
    {
        Assert.Equal(1, record[0]);
        var fields = new Dictionary<int, byte[]>();
        for (var at = 1; at < record.Length;)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(record.AsSpan(at + 2));
            fields.Add(BinaryPrimitives.ReadUInt16BigEndian(record.AsSpan(at)), record[(at + 6)..(at + 6 + length)]);
            at += 6 + length;
        }
        return new LoggedCall(
            sequence, BinaryPrimitives.ReadUInt16BigEndian(fields[EventField]), fields[OutcomeField][0],
            Text(ReasonField), Text(TraceIdField), Text(RequestIdField), Text(DetailField));

        string Text(int id) => fields.TryGetValue(id, out var value) ? Encoding.UTF8.GetString(value) : "";
    }
}
