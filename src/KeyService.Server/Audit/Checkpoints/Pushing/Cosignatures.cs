using System.Collections.Concurrent;
using System.Data.Common;
using Dapper;
using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Cosignatures of witnesses on checkpoints of the directory. They wait here until the next checkpoint is signed, and are kept with it: a
/// change of their own would make the log grow, and be signed, for ever. What is lost with a server the witness gives again.
/// </summary>
internal sealed class Cosignatures(IStore store)
{
    // Newer ones than this many sizes ago are looked at for the one that most witnesses cosigned.
    private const int Recent = 1000;

    private readonly ConcurrentDictionary<(long Size, string Witness), NoteSignature> _waiting = new();

    public void Add(long size, NoteSignature signature) => _waiting[(size, signature.KeyName)] = signature;

    /// <summary>Part of the change that keeps a checkpoint.</summary>
    /// <returns>What to call when the change stands.</returns>
    public async Task<Action> KeepAsync(IStoreTransaction transaction)
    {
        var taken = _waiting.ToArray();
        foreach (var (place, signature) in taken)
        {
            await transaction.Connection.ExecuteAsync(
                "INSERT INTO audit_cosignatures (size, witness, line, made_at) VALUES (@size, @witness, @line, @now) ON CONFLICT (size, witness) DO NOTHING",
                new { size = place.Size, witness = place.Witness, line = signature.ToString(), now = UnixTime.Nanoseconds(transaction.Time) }, transaction.Transaction);
        }

        return () => Array.ForEach(taken, each => _waiting.TryRemove(each));
    }

    /// <summary>A checkpoint with what witnesses signed of it.</summary>
    public async Task<SignedNote> WithAsync(long size, SignedNote note, CancellationToken cancellationToken)
    {
        var lines = await store.ReadAsync(
            async connection => (await connection.QueryAsync<string>("SELECT line FROM audit_cosignatures WHERE size = @size ORDER BY witness", new { size })).AsList(), cancellationToken);
        return note.With(lines.Select(LineOf).Concat(_waiting.Where(each => each.Key.Size == size).OrderBy(each => each.Key.Witness, StringComparer.Ordinal).Select(each => each.Value))
            .DistinctBy(signature => signature.KeyName, StringComparer.Ordinal));
    }

    /// <summary>Of the recent checkpoints up to a size the newest of those that most witnesses cosigned, with their lines; null when none did.</summary>
    public async Task<(long Size, byte[] Note)?> WitnessedAsync(long most, CancellationToken cancellationToken)
    {
        var sizes = await store.ReadAsync(
            async connection => (await connection.QueryAsync<(long Size, string Witness)>(
                "SELECT size, witness FROM audit_cosignatures WHERE size <= @most ORDER BY size DESC LIMIT @limit", new { most, limit = Recent })).AsList(),
            cancellationToken);
        var best = sizes.Concat(_waiting.Keys.Where(each => each.Size <= most)).Distinct()
            .GroupBy(each => each.Size).OrderByDescending(group => group.Count()).ThenByDescending(group => group.Key).FirstOrDefault();
        if (best is null || await new Export.LogExport(store, SignedLog.Directory).CheckpointAsync(best.Key, long.MaxValue, cancellationToken) is not { } found
            || !SignedNote.TryParse(found.Note, out var note))
        {
            return null;
        }

        return (best.Key, (await WithAsync(best.Key, note!, cancellationToken)).ToArray());
    }

    private static NoteSignature LineOf(string line) =>
        WitnessRequest.TryParseAnswer(System.Text.Encoding.UTF8.GetBytes(line), out var signatures) && signatures.Count == 1
            ? signatures[0] : throw new StoreTamperedException("audit_cosignatures", "", "a line is no signature");
}
