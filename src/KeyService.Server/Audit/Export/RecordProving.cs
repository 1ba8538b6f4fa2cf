using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit.Export;

/// <summary>
/// Makes the proof that a record stands in its slot's log at the first checkpoint that covers it, and that the directory commits to that
/// checkpoint. Reads the hashes of the log from the last archived month before the record up to there, and of the directory.
/// docs/spec/audit-export.md.
/// </summary>
internal sealed class RecordProving(IStore store, RowAuthenticator rows, Cosignatures cosignatures)
{
    /// <summary>Null when no signed checkpoint, or no signed directory, covers the record.</summary>
    /// <exception cref="Refusal">NOT_FOUND: the record was deleted after its years of retention.</exception>
    /// <exception cref="StoreTamperedException">The log is not the one that was signed.</exception>
    public async Task<(InclusionProofFile Record, InclusionProofFile Directory)?> ProveAsync(int slot, long sequence, CancellationToken cancellationToken)
    {
        var (start, before) = await store.ReadAsync(
            async connection => (
                (await AuditRetention.ReadStartAsync(connection, rows, slot, cancellationToken)).Size,
                (await AuditArchive.ReadLastBeforeAsync(connection, rows, slot, sequence, cancellationToken))?.Frontier ?? new MerkleFrontier()),
            cancellationToken);
        if (sequence < start)
        {
            throw new Refusal(
                Reason.NotFound, $"Records of slot {slot} before number {start} were deleted after their years of retention. Verify and open the archive of its month (keyservice audit archives).");
        }

        var log = new LogExport(store, slot);
        var directory = new LogExport(store, SignedLog.Directory);
        if (await log.FirstCoveringAsync(sequence, cancellationToken) is not { } covering || await directory.CheckpointAsync(0, long.MaxValue, cancellationToken) is not { } newest)
        {
            return null;
        }

        var (place, entry) = await FindEntryAsync(directory, newest.Size, slot, covering.Size, cancellationToken);
        if (entry is null)
        {
            return null;
        }

        if (await cosignatures.WitnessedAsync(long.MaxValue, cancellationToken) is { } witnessed && witnessed.Size > place)
        {
            newest = witnessed;
        }

        var record = (await new AuditLog(store, slot).ReadAsync(sequence, sequence, cancellationToken)).FirstOrDefault()?.Record
            ?? throw new StoreTamperedException("audit_records", $"{slot}/{sequence}", "the record is missing");
        return (
            await ProveAsync(log, record, sequence, covering, before, $"audit_records {slot}/{sequence}", cancellationToken),
            await ProveAsync(directory, entry, place, newest, new MerkleFrontier(), $"audit_directory {place}", cancellationToken));
    }

    private static async Task<(long Place, byte[]? Entry)> FindEntryAsync(LogExport directory, long size, int slot, long slotSize, CancellationToken cancellationToken)
    {
        var place = 0L;
        await foreach (var page in directory.PagesAsync(0, size, cancellationToken))
        {
            foreach (var entry in page)
            {
                if (DirectoryEntry.TryParse(entry, out var parsed) && parsed!.Kind == DirectoryEntryKind.Checkpoint && parsed.Slot == slot && parsed.Size == slotSize)
                {
                    return (place, entry);
                }

                place++;
            }
        }

        return (-1, null);
    }

    private static async Task<InclusionProofFile> ProveAsync(
        LogExport log, byte[] entry, long place, (long Size, byte[] Note) checkpoint, MerkleFrontier before, string row, CancellationToken cancellationToken)
    {
        var gathering = NodeGathering.ForInclusion(place, checkpoint.Size, before);
        await foreach (var page in log.LeafHashesAsync(before.Size, checkpoint.Size, cancellationToken))
        {
            foreach (var leaf in page)
            {
                gathering.Append(leaf);
            }
        }

        if (!SignedNote.TryParse(checkpoint.Note, out var note) || !Checkpoint.TryParse(note!.Text, out var signed))
        {
            throw new StoreTamperedException("audit_checkpoints", row, "the note is none");
        }

        var hashes = MerkleProof.Inclusion(place, checkpoint.Size, gathering.Node);
        return MerkleProof.VerifyInclusion(MerkleHash.Leaf(entry), place, checkpoint.Size, hashes, signed!.Root)
            ? new InclusionProofFile(entry, place, hashes, note)
            : throw new StoreTamperedException("audit_checkpoints", row, "the entries are not those that were signed");
    }
}
