using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>How far a bundle is that this server writes now.</summary>
internal sealed record BackupProgress(long Sequence, string Destination, DateTimeOffset StartTime, long Versions);

/// <summary>Decides whether a bundle is to be written and of what, writes it to the first destination that takes it, and records what it holds.</summary>
internal sealed class BundleMaker(
    BackupConfiguration configuration, IReadOnlyList<BackupDestination> destinations, IStore store, RowAuthenticator rows, BackupTables tables,
    BundleSigner signer, AlarmOutlet alarms, TimeProvider time, ILogger logger)
{
    /// <summary>Versions are looked for from so long before the newest full bundle on: servers' clocks differ, and commits take a while.</summary>
    private static readonly TimeSpan Overlap = TimeSpan.FromHours(1);

    private readonly BundleContent _content = new(store, rows);
    private HashSet<KeyVersionId> _leftOut = [];

    /// <summary>The bundle that is written now; null when none is.</summary>
    public BackupProgress? Progress { get; private set; }

    /// <summary>What is to be written now; null when nothing is.</summary>
    public async Task<BundleKind?> DecideAsync(BundleKind? demanded, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        if (state.NewestFull is not { } full || demanded == BundleKind.Full)
        {
            return BundleKind.Full;
        }

        var isLost = state.InForce.Any(bundle => bundle.Sequence > full.Sequence && !destinations.Any(each => state.IsVerified(bundle, each.Name)));
        var isAway = !destinations.Any(each => state.IsVerified(full, each.Name));
        if (isLost || isAway || time.GetUtcNow() - full.MadeTime >= configuration.FullEvery)
        {
            return BundleKind.Full;
        }

        if (demanded is not null)
        {
            return demanded;
        }

        // Those that could not be put into the last bundle are no reason for one with nothing in it.
        var waiting = await store.ReadAsync(
            connection => BackupTables.ListWaitingAsync(connection, full.MadeTime - Overlap, _leftOut.Count + 1), cancellationToken);
        return waiting.Any(id => !_leftOut.Contains(id)) ? BundleKind.Incremental : null;
    }

    /// <summary>Writes a bundle to the first destination that takes it, and records it.</summary>
    public async Task WriteAsync(BundleKind kind, BundleOrigin origin, IReadOnlyList<BackupDestination> reachable, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(store, tables, cancellationToken);
        var backupKeyId = signer.BackupKeyId()
            ?? throw new InvalidOperationException("The token holds no backup key: no bundle can be written.");
        foreach (var destination in reachable.Where(each => each.IsDue))
        {
            var bundleId = RandomNumberGenerator.GetBytes(BundleFormat.IdLength);
            var sequence = state.NextSequence;
            var made = time.GetUtcNow();
            var header = BundleHeader.Create(
                origin.InstallationId, bundleId, (ulong)sequence, kind, UnixTime.Nanoseconds(made), Convert.FromHexString(backupKeyId), state.PreviousDigest);
            var fileName = $"{origin.Prefix}{sequence:000000000000}-{Convert.ToHexStringLower(bundleId.AsSpan(0, 4))}{BundleFormat.FileSuffix}";
            Progress = new BackupProgress(sequence, destination.Name, made, 0);
            try
            {
                WrittenContent? content = null;
                VerifiedBundle? verified = null;
                if (await destination.TryAsync(
                    async () => verified = await destination.WriteAsync(
                        fileName, origin.SigningKey,
                        async stream => content = await WriteBundleAsync(stream, header, kind, state, backupKeyId, origin, cancellationToken), cancellationToken),
                    logger))
                {
                    await RecordAsync(destination, fileName, verified!, content!, state, cancellationToken);
                    logger.Written(
                        sequence, kind.ToString(), destination.Name, verified!.KeyCount, verified.VersionCount, verified.Length,
                        (time.GetUtcNow() - made).TotalSeconds);
                    return;
                }
            }
            finally
            {
                Progress = null;
            }
        }
    }

    private async Task<WrittenContent> WriteBundleAsync(
        Stream stream, BundleHeader header, BundleKind kind, BackupState state, string backupKeyId, BundleOrigin origin, CancellationToken cancellationToken)
    {
        using var writer = new BundleWriter(stream, header);
        var integrityKey = (await Installation.ReadAsync(store, cancellationToken))!.IntegrityKeyBlobs
            .FirstOrDefault(blob => blob.TokenId == Keys.KeyBlobRow.BackupOf(backupKeyId))
            ?? throw new InvalidOperationException($"The store has no integrity key under the backup key {backupKeyId}: no bundle can be written.");
        await writer.WriteIntegrityKeyAsync(integrityKey.Blob, integrityKey.CheckValue, cancellationToken);
        var scope = kind == BundleKind.Full ? BundleScope.Full : BundleScope.Since((state.NewestFull?.MadeTime ?? DateTimeOffset.UnixEpoch) - Overlap);
        var content = await _content.WriteAsync(writer, scope, backupKeyId, new Reported(this, logger), cancellationToken);
        var signed = await writer.SealAsync((ulong)content.LeftOutCount, origin.SigningKey, cancellationToken);
        await writer.CompleteAsync(await signer.Sign(signed, cancellationToken), cancellationToken);
        return content;
    }

    /// <summary>The bundle and its first copy in one commit; then the versions it was the first to hold, each block in one of its own.</summary>
    private async Task RecordAsync(
        BackupDestination destination, string fileName, VerifiedBundle verified, WrittenContent content, BackupState state, CancellationToken cancellationToken)
    {
        var bundle = new BundleRow(
            (long)verified.Header.Sequence, verified.Header.BundleId.ToArray(), verified.Header.Kind, fileName, verified.Digest.ToArray(),
            verified.Header.PreviousDigest.ToArray(), SHA256.HashData(verified.SigningKey), Convert.ToHexStringLower(verified.Header.BackupKeyId),
            UnixTime.FromNanoseconds(verified.Header.MadeAtUnixNanoseconds), (long)verified.KeyCount, (long)verified.VersionCount,
            (long)verified.OmittedCount, verified.Length);
        var blocks = content.NewVersions.Chunk(BackupTables.SegmentSize).ToList();
        var record = new AuditRecordDraft(AuditEvent.BackupBundleRecorded)
        {
            Automated = true,
            ItemCount = bundle.VersionCount,
            ByteCount = bundle.ByteCount,
            Detail = $"bundle {bundle.Sequence} ({bundle.Kind.ToString().ToLowerInvariant()}) at {destination.Name}, digest {Convert.ToHexStringLower(bundle.Digest)}"
                + (bundle.LeftOutCount == 0 ? "" : $", {bundle.LeftOutCount} versions left out"),
        };
        await store.CommitAsync(
            record,
            async transaction =>
            {
                var last = await tables.FindLastAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
                if (last?.Sequence != state.Last?.Sequence)
                {
                    throw new StoreUnavailableException("Another server recorded a bundle meanwhile.");
                }

                await tables.InsertBundleAsync(transaction, bundle);
                await tables.PutCopyAsync(transaction, null, bundle.Sequence, destination.Name, CopyState.Verified);
                if (blocks.Count > 0)
                {
                    await tables.InsertSegmentAsync(transaction, bundle.Sequence, 0, blocks[0]);
                }
            },
            cancellationToken);
        for (var ordinal = 1; ordinal < blocks.Count; ordinal++)
        {
            var (place, ids) = (ordinal, blocks[ordinal]);
            await store.CommitAsync(
                new AuditRecordDraft(AuditEvent.BackupVersionsRecorded) { Automated = true, ItemCount = ids.Length, Detail = $"bundle {bundle.Sequence}, block {place}" },
                transaction => tables.InsertSegmentAsync(transaction, bundle.Sequence, place, ids), cancellationToken);
        }

        _leftOut = bundle.Kind == BundleKind.Full ? [.. content.LeftOut] : [.. _leftOut, .. content.LeftOut];
        if (bundle.LeftOutCount > 0)
        {
            var finding = content.Tampered?.Message ?? "they have no wrap under this backup key.";
            logger.LeftOut(bundle.Sequence, bundle.LeftOutCount, finding);
            if (content.Tampered is { } tampered)
            {
                await alarms.RaiseAsync(
                    AlarmKind.StoreTampered, $"{tampered.Table}/{tampered.RowId}",
                    $"{tampered.Message} Bundle {bundle.Sequence} leaves {bundle.LeftOutCount} versions out.", cancellationToken);
            }
        }
    }

    /// <summary>Progress for the RPC and, every 100,000 versions, for the log.</summary>
    private sealed class Reported(BundleMaker maker, ILogger logger) : IProgress<long>
    {
        private const long LogEvery = 100_000;

        private long _logged;

        public void Report(long value)
        {
            if (maker.Progress is { } progress)
            {
                maker.Progress = progress with { Versions = value };
                if (value - _logged >= LogEvery)
                {
                    _logged = value;
                    logger.Writing(progress.Sequence, progress.Destination, value);
                }
            }
        }
    }
}
