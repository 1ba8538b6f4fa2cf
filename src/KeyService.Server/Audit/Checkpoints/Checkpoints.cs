using KeyService.Crypto.Logs;
using KeyService.Server.Storage;

namespace KeyService.Server.Audit;

/// <summary>
/// Makes checkpoints of the slot that this server writes, and of the directory log. What is signed is durable; the signature is kept
/// afterwards, so a signature that could not be kept is followed by one over the same and more, never by another history.
/// </summary>
internal sealed class Checkpoints(AuditLog current, IStore store, RowAuthenticator rows, CheckpointKeys keys, Cosignatures? cosignatures = null) : IDisposable
{
    private const int Attempts = 5;

    private readonly SemaphoreSlim _turn = new(1);
    private LogNames? _names;
    private List<DirectoryEntry> _successors = [];
    private long _successorsBefore;
    private SignedLog? _slot;
    private SignedLog? _directory;
    private bool _leased;
    private long _own;

    /// <summary>Records of this server's slot that its last checkpoint covers.</summary>
    public long SignedSize => _slot?.Frontier.Size ?? 0;

    /// <summary>Records behind the last checkpoint that are not the checkpoints' own.</summary>
    public long Unsigned
    {
        get
        {
            var log = current.Pin();
            return log.Slot == _slot?.Log ? log.LastSequence + 1 - SignedSize - _own : long.MaxValue;
        }
    }

    /// <summary>Name and public keys that verify what is and was signed here, oldest first, and the places of the directory's entries of the later ones.</summary>
    public async Task<(IReadOnlyList<NoteVerifier> Keys, IReadOnlyList<long> Places)> VerifiersAsync(CancellationToken cancellationToken)
    {
        var name = (await NamesAsync(cancellationToken)).Installation;
        var successors = await store.ReadAsync(
            async connection => await DirectoryLog.KeysAsync(
                connection, 0, (await SignedLog.ReadAsync(connection, rows, SignedLog.Directory, cancellationToken)).Frontier.Size),
            cancellationToken);
        return (
            [
                NoteVerifier.Create(name, NoteAlgorithm.Ecdsa, await keys.Number(0).PublicKey(cancellationToken)),
                .. successors.Select(each => NoteVerifier.Create(name, NoteAlgorithm.Ecdsa, each.Entry.Value.Span)),
            ],
            [.. successors.Select(each => each.Sequence)]);
    }

    /// <summary>The key that follows the one that signs now; null while a succession is not signed yet.</summary>
    /// <returns>What <see cref="AppendSuccessorAsync"/> needs.</returns>
    public async Task<CheckpointSuccessor?> NextKeyAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var (signed, count) = await ReadDirectoryAsync(cancellationToken);
            var number = _successors.Count + 1;
            var waiting = await store.ReadAsync(connection => DirectoryLog.KeysAsync(connection, signed.Frontier.Size, count), cancellationToken);
            return waiting.Count > 0 ? null : new CheckpointSuccessor(
                number, NoteVerifier.Create((await NamesAsync(cancellationToken)).Installation, NoteAlgorithm.Ecdsa, await keys.Number(number).PublicKey(cancellationToken)));
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Part of a change: enters the next key in the directory. The next checkpoint of the directory is signed by both.</summary>
    public static async Task AppendSuccessorAsync(IStoreTransaction transaction, CheckpointSuccessor next)
    {
        var before = await DirectoryLog.CountKeysAsync(transaction);
        if (before != next.Number - 1)
        {
            throw new StoreUnavailableException("Another call followed the checkpoint key at the same time.");
        }

        await DirectoryLog.AppendAsync(transaction, DirectoryEntry.OfKey(UnixTime.Nanoseconds(transaction.Time), next.Key.Key.Span));
    }

    public void Dispose() => _turn.Dispose();

    /// <summary>Signs what this server's log holds now, enters it in the directory, and signs that.</summary>
    /// <param name="sealing">The server gives the slot up.</param>
    /// <exception cref="StoreTamperedException">The log or the directory does not go on from what was signed.</exception>
    public async Task MakeAsync(bool sealing, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await MakeInTurnAsync(sealing, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task MakeInTurnAsync(bool sealing, CancellationToken cancellationToken)
    {
        var log = current.Pin();
        if (_slot?.Log != log.Slot)
        {
            _slot = await store.ReadAsync(connection => SignedLog.ReadAsync(connection, rows, log.Slot, cancellationToken), cancellationToken);
            _leased = false;
        }

        // Before anything is added to it: an entry more would hide one that was cut.
        await ReadDirectoryAsync(cancellationToken);
        await SignSlotAsync(log, _slot, sealing, cancellationToken);
        await SignDirectoryAsync(cancellationToken);
    }

    private async Task SignSlotAsync(AuditLog log, SignedLog signed, bool sealing, CancellationToken cancellationToken)
    {
        var last = log.LastSequence;
        if (last + 1 < signed.Frontier.Size)
        {
            throw new StoreTamperedException("audit_records", $"{log.Slot}/{last + 1}", $"the log ends before record {signed.Frontier.Size - 1}, which is signed: it was cut");
        }

        var frontier = await log.ExtendAsync(signed.Frontier, last, cancellationToken);
        var grew = frontier.Size > signed.Frontier.Size;
        var note = grew ? await SignAsync((await NamesAsync(cancellationToken)).Slot(log.Slot), frontier, [_successors.Count], cancellationToken) : null;
        var kinds = new List<DirectoryEntryKind>(3);
        if (!_leased)
        {
            kinds.Add(DirectoryEntryKind.Lease);
        }

        if (grew)
        {
            kinds.Add(DirectoryEntryKind.Checkpoint);
        }

        if (sealing)
        {
            kinds.Add(DirectoryEntryKind.Seal);
        }

        if (kinds.Count == 0)
        {
            return;
        }

        SignedLog? next = signed;
        await store.CommitAsync(
            Record(AuditEvent.AuditCheckpointMade, frontier, string.Join(", ", kinds).ToLowerInvariant()),
            async transaction =>
            {
                if (transaction.Slot != log.Slot)
                {
                    throw new StoreUnavailableException($"The server writes log slot {transaction.Slot} and no longer {log.Slot}.");
                }

                if (note is not null)
                {
                    next = await signed.AdvanceAsync(transaction, rows, frontier, note)
                        ?? throw new StoreTamperedException("signed_logs", $"{log.Slot}", "another server signed the slot that this one writes");
                }

                foreach (var kind in kinds)
                {
                    // A lease goes on from what was signed before; so does nothing else.
                    var at = kind == DirectoryEntryKind.Lease ? signed.Frontier : frontier;
                    await DirectoryLog.AppendAsync(
                        transaction, DirectoryEntry.Of(kind, UnixTime.Nanoseconds(transaction.Time), (uint)log.Slot, at.Size, at.Root()));
                }
            },
            CancellationToken.None);
        _slot = next;
        _leased = true;
        _own = 1;
    }

    private async Task SignDirectoryAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var (signed, count) = await ReadDirectoryAsync(cancellationToken);
            if (count == signed.Frontier.Size)
            {
                return;
            }

            var frontier = await DirectoryLog.ExtendAsync(store, signed.Frontier, count, cancellationToken);
            var note = await SignAsync(
                (await NamesAsync(cancellationToken)).Directory, frontier, await SignersAsync(signed.Frontier.Size, count, cancellationToken), cancellationToken);
            try
            {
                await store.CommitAsync(
                    Record(AuditEvent.AuditDirectorySigned, frontier, "directory"),
                    async transaction =>
                    {
                        _directory = await signed.AdvanceAsync(transaction, rows, frontier, note) ?? throw new OvertakenException();
                        if (cosignatures is not null)
                        {
                            transaction.OnCommitted(await cosignatures.KeepAsync(transaction));
                        }
                    },
                    CancellationToken.None);
                _own++;
                return;
            }
            catch (OvertakenException)
            {
                // Another server signed meanwhile, perhaps without this one's last entry.
            }
        }
    }

    // What this server has seen signed must be the beginning of what is signed now, and all of that must be there.
    private async Task<(SignedLog Signed, long Count)> ReadDirectoryAsync(CancellationToken cancellationToken)
    {
        var (signed, count) = await store.ReadAsync(
            async connection => (await SignedLog.ReadAsync(connection, rows, SignedLog.Directory, cancellationToken), await DirectoryLog.CountAsync(connection)),
            cancellationToken);
        if (count < signed.Frontier.Size)
        {
            throw new StoreTamperedException("audit_directory", $"{count}", $"the directory ends before entry {signed.Frontier.Size - 1}, which is signed: it was cut");
        }

        if (_directory is { } seen)
        {
            if (signed.Frontier.Size < seen.Frontier.Size
                || !(await DirectoryLog.ExtendAsync(store, seen.Frontier, signed.Frontier.Size, cancellationToken)).ToArray().AsSpan().SequenceEqual(signed.Frontier.ToArray()))
            {
                throw new StoreTamperedException("audit_directory", $"{seen.Frontier.Size}", "the directory does not go on from what was signed");
            }
        }

        _directory = signed;
        await ReadSuccessorsAsync(signed.Frontier.Size, cancellationToken);
        return (signed, count);
    }

    // Which keys followed the first: those of the signed entries. Each of them must be the HSM's.
    private async Task ReadSuccessorsAsync(long before, CancellationToken cancellationToken)
    {
        if (before == _successorsBefore)
        {
            return;
        }

        var found = await store.ReadAsync(connection => DirectoryLog.KeysAsync(connection, _successorsBefore, before), cancellationToken);
        var all = new List<DirectoryEntry>(_successors);
        foreach (var (sequence, entry) in found)
        {
            all.Add(entry);
            await DemandOwnAsync(all.Count, sequence, entry, cancellationToken);
        }

        (_successors, _successorsBefore) = (all, before);
    }

    // The key before vouches for the next one by signing what covers its entry; nobody else's key is ever vouched for.
    private async Task<int[]> SignersAsync(long from, long before, CancellationToken cancellationToken)
    {
        var found = await store.ReadAsync(connection => DirectoryLog.KeysAsync(connection, from, before), cancellationToken);
        if (found.Count == 0)
        {
            return [_successors.Count];
        }

        if (found.Count > 1)
        {
            throw new StoreTamperedException("audit_directory", $"{found[1].Sequence}", "a second key follows one that is not signed yet: it was put in outside the service");
        }

        await DemandOwnAsync(_successors.Count + 1, found[0].Sequence, found[0].Entry, cancellationToken);
        return [_successors.Count, _successors.Count + 1];
    }

    private async Task DemandOwnAsync(int number, long sequence, DirectoryEntry entry, CancellationToken cancellationToken)
    {
        var own = await keys.Number(number).PublicKey(cancellationToken);
        if (entry.Kind != DirectoryEntryKind.Key || !entry.Value.Span.SequenceEqual(own))
        {
            throw new StoreTamperedException("audit_directory", $"{sequence}", "the key that is to sign next is not one of this HSM: it was put in outside the service");
        }
    }

    private async Task<SignedNote> SignAsync(string origin, MerkleFrontier frontier, int[] numbers, CancellationToken cancellationToken)
    {
        var text = new Checkpoint(origin, frontier.Size, frontier.Root()).ToString();
        SignedNote? note = null;
        foreach (var signer in numbers.Select(keys.Number))
        {
            var key = NoteVerifier.Create(origin, NoteAlgorithm.Ecdsa, await signer.PublicKey(cancellationToken));
            var signed = EcdsaNoteSignature.Sign(text, key, await signer.Sign(EcdsaNoteSignature.Digest(text), cancellationToken));
            note = note?.With(signed.Signatures) ?? signed;
        }

        return note!;
    }

    private async Task<LogNames> NamesAsync(CancellationToken cancellationToken) =>
        _names ??= LogNames.Of((await Installation.ReadAsync(store, cancellationToken))!.LogId);

    private static AuditRecordDraft Record(AuditEvent auditEvent, MerkleFrontier frontier, string what) => new(auditEvent)
    {
        Automated = true,
        ItemCount = frontier.Size,
        Detail = $"{what}: size {frontier.Size}, root {Convert.ToHexStringLower(frontier.Root())}",
    };

    private sealed class OvertakenException : Exception;
}

/// <summary>The key that is to sign checkpoints next.</summary>
internal sealed record CheckpointSuccessor(int Number, NoteVerifier Key);
