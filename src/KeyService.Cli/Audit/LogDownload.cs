using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Audit;

/// <summary>Takes the audit log out of the service, a bundle at a time: docs/spec/audit-export.md.</summary>
internal sealed class LogDownload(AuditCalls audit, IExportTarget target, CancellationToken cancellation)
{
    /// <summary>Writes the directory log with the keys that signed it; it says which slots there are, and how far each of them reaches.</summary>
    /// <param name="request">Up to which checkpoint.</param>
    /// <param name="since">Records of before are not wanted, as far as whole bundles go; null: all are.</param>
    /// <returns>The slots with records, ascending.</returns>
    public async Task<List<SlotReach>> DirectoryAsync(ExportLogRequest request, GetLogKeysResponse keys, DateTimeOffset? since)
    {
        using var files = new LogFiles(target, ExportFiles.Directory, 0);
        var slots = new SortedDictionary<uint, SlotReach>();
        var successions = 0;
        ReadOnlyMemory<byte> checkpoint = default;
        await foreach (var answer in audit.ExportLogAsync(request, cancellation).ConfigureAwait(false))
        {
            checkpoint = answer.Checkpoint.Length > 0 ? answer.Checkpoint.Memory : checkpoint;
            if (answer.WitnessedCheckpoint.Length > 0)
            {
                target.Write($"{ExportFiles.Directory}/{ExportFiles.Witnessed}", answer.WitnessedCheckpoint.Span);
            }
            foreach (var entry in answer.Entries)
            {
                files.Append(entry.Span);
                if (!DirectoryEntry.TryParse(entry.Span, out var parsed))
                {
                    continue;
                }
                if (parsed!.IsOfKey)
                {
                    successions++;
                }
                else
                {
                    var before = since is { } time && parsed.TimeUnixNanoseconds < (time - DateTimeOffset.UnixEpoch).Ticks * 100;
                    slots[parsed.Slot] = new SlotReach(
                        parsed.Slot, before ? parsed.Size / LogTiles.Width * LogTiles.Width : slots.GetValueOrDefault(parsed.Slot).Start, parsed.Size);
                }
            }
        }
        files.Finish(checkpoint.Span);
        // The keys that signed up to there, and by which word one followed the other.
        target.Write(ExportFiles.Keys, System.Text.Encoding.ASCII.GetBytes(string.Concat(keys.VerifierKeys.Take(1 + successions).Select(key => key + "\n"))));
        foreach (var (note, index) in keys.Successions.Take(successions).Select((note, index) => (note, index)))
        {
            target.Write(ExportFiles.Succession(index + 1), note.Span);
        }
        return [.. slots.Values.Where(slot => slot.Size > 0)];
    }

    /// <summary>Writes the log of a slot, and goes on behind the records that an earlier run left.</summary>
    /// <param name="start">First record, a multiple of 256.</param>
    /// <param name="size">Records of the checkpoint that it ends at.</param>
    /// <param name="progress">Gets the number of records that are there.</param>
    /// <returns>The first record, which an earlier run may have chosen, and the bytes of all.</returns>
    public async Task<(long Start, long Bytes)> SlotAsync(uint slot, long start, long size, Action<long> progress)
    {
        var folder = ExportFiles.Slot(slot);
        // A time that was given as "30d" is another one by now: what was begun goes on where it began.
        if (target.Read($"{folder}/{ExportFiles.Start}") is { } begun)
        {
            start = ExportStart.TryParse(begun, out var before) ? before.Size : start;
        }
        else if (target.Read($"{folder}/{LogTiles.BundlePath(0, LogTiles.Width)}") is not null)
        {
            start = 0;
        }
        using var files = new LogFiles(target, folder, start);
        files.Resume();
        if (files.Next > size)
        {
            throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{folder} reaches further than what is asked for.", "Remove what an earlier run left, and start again.");
        }
        ReadOnlyMemory<byte> checkpoint = default;
        var request = new ExportLogRequest { LogSlot = (int)slot, Start = files.Next, Size = size };
        await foreach (var answer in audit.ExportLogAsync(request, cancellation).ConfigureAwait(false))
        {
            if (answer.Checkpoint.Length > 0)
            {
                checkpoint = answer.Checkpoint.Memory;
                if (start > 0 && files.Next == start && MerkleFrontier.TryParse(start, answer.Before.Span, out var before))
                {
                    target.Write($"{folder}/{ExportFiles.Start}", ExportStart.Write(before));
                }
            }
            foreach (var entry in answer.Entries)
            {
                files.Append(entry.Span);
            }
            progress(files.Next - start);
        }
        files.Finish(checkpoint.Span);
        return (start, files.Bytes);
    }
}
