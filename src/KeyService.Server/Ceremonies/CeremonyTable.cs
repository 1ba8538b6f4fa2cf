using System.Data.Common;
using System.Security.Cryptography;
using Dapper;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Ceremonies;

/// <summary>SQL of ceremonies. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class CeremonyTable(RowAuthenticator rows)
{
    public const string Name = "ceremonies";

    private const string Columns =
        """
        SELECT id AS Id, kind AS Kind, ending AS Ending, ended_at AS EndedAt, last_hash AS LastHash, transcript_sha256 AS TranscriptSha256, recorded_by AS RecordedBy, recorded_at AS RecordedAt,
               revision AS Revision, mac AS Mac
        FROM ceremonies
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<CeremonyRow>(Name, Columns, "id", "@Id", row => new DecidingRow(row.Id, row.Revision, row.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>All of them, the newest first, compared with the register: one that is missing would make another one seem the last.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<CeremonyRow>> ListAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var all = (await connection.QueryAsync<CeremonyRow>($"{Columns} ORDER BY ended_at DESC, id")).AsList();
        foreach (var row in all)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.Id, row.Revision, cancellationToken);
        }

        await _state.VerifyAsync(connection, Name, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all;
    }

    public async Task<CeremonyRow?> FindAsync(DbConnection connection, DbTransaction? transaction, string id, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<CeremonyRow>($"{Columns} WHERE id = @id", new { id }, transaction);
        if (row is not null)
        {
            await rows.VerifyAsync(row.Canonical(), row.Mac, Name, row.Id, row.Revision, cancellationToken);
        }

        return row;
    }

    /// <summary>The document of a row that was verified.</summary>
    /// <exception cref="StoreTamperedException">It is another one than the row says.</exception>
    public static async Task<byte[]> ReadTranscriptAsync(DbConnection connection, DbTransaction? transaction, CeremonyRow row)
    {
        var transcript = await connection.QuerySingleAsync<byte[]>("SELECT transcript FROM ceremonies WHERE id = @Id", new { row.Id }, transaction);
        return SHA256.HashData(transcript).AsSpan().SequenceEqual(row.TranscriptSha256)
            ? transcript
            : throw new StoreTamperedException(Name, row.Id, "the transcript is another one than was recorded");
    }

    /// <summary>Adds a row, or replaces one by the same ceremony with more signatures: the revision says which.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, CeremonyRow row, byte[] transcript)
    {
        row = row with { Mac = await rows.SealAsync(transaction, row.Canonical(), Name, row.Id, row.Revision) };
        var written = await transaction.Connection.ExecuteAsync(
            row.Revision == 1
                ? """
                  INSERT INTO ceremonies (id, kind, ending, ended_at, last_hash, transcript_sha256, transcript, recorded_by, recorded_at, revision, mac)
                  VALUES (@Id, @Kind, @Ending, @EndedAt, @LastHash, @TranscriptSha256, @transcript, @RecordedBy, @RecordedAt, @Revision, @Mac)
                  """
                : """
                  UPDATE ceremonies SET transcript_sha256 = @TranscriptSha256, transcript = @transcript, recorded_by = @RecordedBy, recorded_at = @RecordedAt, revision = @Revision, mac = @Mac
                  WHERE id = @Id AND revision = @Revision - 1
                  """,
            new { row.Id, row.Kind, row.Ending, row.EndedAt, row.LastHash, row.TranscriptSha256, transcript, row.RecordedBy, row.RecordedAt, row.Revision, row.Mac },
            transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, row.Id, "the row is not at the revision that the service read");
        }

        await (row.Revision == 1 ? _state.AddedAsync(transaction, Name) : _state.ChangedAsync(transaction, Name));
    }
}
