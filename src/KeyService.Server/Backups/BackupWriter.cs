using System.Collections.Concurrent;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Backups;

/// <summary>How far a bundle is that this server writes now.</summary>
internal sealed record BackupProgress(long Sequence, string Destination, DateTimeOffset StartTime, long Versions);

/// <summary>
/// Keeps the destinations: writes a bundle when versions exist that none holds, or when the newest full one grows old; copies it to each destination; reads
/// copies again once a day. One server of an installation at a time does it. A destination that fails is told and tried again, the others go on.
/// </summary>
internal sealed class BackupWriter : BackgroundService
{
    /// <summary>How long a copy is believed after it was read.</summary>
    public static readonly TimeSpan CheckEvery = TimeSpan.FromHours(24);

    private const string Role = "backup";

    /// <summary>Versions are looked for from so long before the newest full bundle on: servers' clocks differ, and commits take a while.</summary>
    private static readonly TimeSpan Overlap = TimeSpan.FromHours(1);

    private static readonly TimeSpan RoleRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private readonly BackupConfiguration _configuration;
    private readonly IStore _store;
    private readonly BackupTables _tables;
    private readonly BundleContent _content;
    private readonly BundleSigner _signer;
    private readonly AlarmOutlet _alarms;
    private readonly TimeProvider _time;
    private readonly ILogger<BackupWriter> _logger;
    private readonly List<BackupDestination> _destinations;
    private readonly HashSet<string> _alarmed = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _woken = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Task, byte> _inTurn = new();
    private HashSet<KeyVersionId> _leftOut = [];
    private byte[]? _installationId;
    private byte[]? _signingKey;
    private bool _begun;

    public BackupWriter(
        BackupConfiguration configuration, IStore store, RowAuthenticator rows, BundleSigner signer, AlarmOutlet alarms, TimeProvider time,
        ILogger<BackupWriter> logger)
    {
        _configuration = configuration;
        _store = store;
        _tables = new BackupTables(rows);
        _content = new BundleContent(store, rows);
        _signer = signer;
        _alarms = alarms;
        _time = time;
        _logger = logger;
        _destinations = [.. configuration.Destinations.Select(each => new BackupDestination(each, time))];
    }

    /// <summary>The destinations as this server last saw them.</summary>
    public IReadOnlyList<BackupDestination> Destinations => _destinations;

    /// <summary>The bundle that this server writes now; null when it writes none.</summary>
    public BackupProgress? Progress { get; private set; }

    /// <summary>Says that versions were made: they are looked for at once. Returns at once and may be called for each of many.</summary>
    public void Wake()
    {
        if (_woken.CurrentCount == 0)
        {
            _woken.Release();
        }
    }

    /// <summary>
    /// A bundle after <paramref name="after"/>, verified at one destination at least: one that stands by now, or a new one. Waits its turn. What is begun
    /// goes on when the caller does not wait for it any more.
    /// </summary>
    /// <returns>Null when no destination could be written; <see cref="Destinations"/> says why.</returns>
    public Task<BundleRow?> ExportAsync(long after, BundleKind kind, CancellationToken cancellationToken) => InTurnAsync(
        async ended =>
        {
            if (await FindAfterAsync(after, kind, ended) is { } there)
            {
                return there;
            }

            await CycleAsync(kind, patient: false, checkAll: false, ended);
            return await FindAfterAsync(after, kind, ended);
        },
        cancellationToken);

    /// <summary>Reads every copy in force again, and mends what can be mended. Waits its turn, and goes on as <see cref="ExportAsync"/> does.</summary>
    public Task CheckCopiesAsync(CancellationToken cancellationToken) => InTurnAsync(
        async ended =>
        {
            await CycleAsync(demanded: null, patient: false, checkAll: true, ended);
            return true;
        },
        cancellationToken);

    /// <summary>Does what is due.</summary>
    /// <returns>False when another server, or another call, is at it: what was made meanwhile may have escaped that one.</returns>
    public async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var role = await _store.TryTakeRoleAsync(Role, cancellationToken);
        if (role is null)
        {
            return false;
        }

        using var both = CancellationTokenSource.CreateLinkedTokenSource(role.Lost, cancellationToken);
        await CycleAsync(demanded: null, patient: true, checkAll: false, both.Token);
        return true;
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await base.StopAsync(cancellationToken);
        // What was asked for ends with the service: its half-written file is removed, and the store is still there to be asked.
        await Task.WhenAll(_inTurn.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override void Dispose()
    {
        base.Dispose();
        _woken.Dispose();
        _stopping.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (_destinations.Count == 0)
        {
            return;
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            var pause = _configuration.Interval;
            try
            {
                var next = await RunOnceAsync(stoppingToken) ? pause : Retry;
                var retries = _destinations.Where(each => each.IsFailing).Select(each => each.RetryTime - _time.GetUtcNow()).Append(next);
                pause = retries.Append(pause).Min();
                pause = pause > RoleRetry ? pause : RoleRetry;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // The store or the HSM is away, or the role was lost: none of the destinations' faults.
                _logger.Failed(e);
                pause = Retry;
                if (e is InvalidOperationException)
                {
                    await TellAllAsync(e.Message, stoppingToken);
                }
            }

            await PauseAsync(pause, stoppingToken);
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken stoppingToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        try
        {
            await Task.WhenAny(_woken.WaitAsync(ended.Token), Task.Delay(pause, _time, ended.Token));
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    private async Task<T> InTurnAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var running = RunAsync();
        _inTurn.TryAdd(running, 0);
        try
        {
            return await running.WaitAsync(cancellationToken);
        }
        finally
        {
            _ = running.ContinueWith(ended => _inTurn.TryRemove(ended, out _), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        async Task<T> RunAsync()
        {
            await using var role = await TakeRoleAsync(_stopping.Token);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(role.Lost, _stopping.Token);
            return await work(either.Token);
        }
    }

    private async Task<BundleRow?> FindAfterAsync(long after, BundleKind kind, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        return state.InForce.FirstOrDefault(bundle => bundle.Sequence > after && (bundle.Kind == kind || bundle.Kind == BundleKind.Full));
    }

    private async Task<StoreRole> TakeRoleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (await _store.TryTakeRoleAsync(Role, cancellationToken) is { } role)
            {
                return role;
            }

            await Task.Delay(RoleRetry, _time, cancellationToken);
        }
    }

    /// <param name="demanded">A bundle that somebody asked for; null: what is due.</param>
    /// <param name="patient">Leaves destinations alone that failed and are not to be tried again yet.</param>
    /// <param name="checkAll">Reads every copy in force, not only those that were not read for a day.</param>
    private async Task CycleAsync(BundleKind? demanded, bool patient, bool checkAll, CancellationToken cancellationToken)
    {
        _installationId ??= (await Installation.ReadAsync(_store, cancellationToken))!.Id;
        _signingKey ??= await _signer.PublicKey(cancellationToken);
        List<BackupDestination> reachable = [];
        foreach (var destination in _destinations.Where(each => !patient || each.IsDue).ToList())
        {
            destination.Begin();
            if (await TryAsync(destination, () =>
            {
                destination.Look(Prefix);
                return Task.CompletedTask;
            }))
            {
                reachable.Add(destination);
            }
            else if (checkAll || await IsAnyDueAsync(destination, cancellationToken))
            {
                await LostAsync(destination, cancellationToken);
            }
        }

        foreach (var destination in reachable)
        {
            await CheckAsync(destination, checkAll, cancellationToken);
        }

        await MendAsync(reachable, cancellationToken);
        if (reachable.Count > 0 && await DecideAsync(demanded, cancellationToken) is { } kind)
        {
            await WriteAsync(kind, reachable, cancellationToken);
            await MendAsync(reachable, cancellationToken);
        }

        await TellAsync(reachable, cancellationToken);
        _begun = true;
    }

    /// <summary>What is to be written now; null when nothing is.</summary>
    private async Task<BundleKind?> DecideAsync(BundleKind? demanded, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        if (state.NewestFull is not { } full || demanded == BundleKind.Full)
        {
            return BundleKind.Full;
        }

        var isLost = state.InForce.Any(bundle => bundle.Sequence > full.Sequence && !_destinations.Any(each => state.IsVerified(bundle, each.Name)));
        var isAway = !_destinations.Any(each => state.IsVerified(full, each.Name));
        if (isLost || isAway || _time.GetUtcNow() - full.MadeTime >= _configuration.FullEvery)
        {
            return BundleKind.Full;
        }

        if (demanded is not null)
        {
            return demanded;
        }

        // Those that could not be put into the last bundle are no reason for one with nothing in it.
        var waiting = await _store.ReadAsync(
            connection => BackupTables.ListWaitingAsync(connection, full.MadeTime - Overlap, _leftOut.Count + 1), cancellationToken);
        return waiting.Any(id => !_leftOut.Contains(id)) ? BundleKind.Incremental : null;
    }

    /// <summary>Writes a bundle to the first destination that takes it, and records it.</summary>
    private async Task WriteAsync(BundleKind kind, List<BackupDestination> reachable, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        var backupKeyId = _signer.BackupKeyId()
            ?? throw new InvalidOperationException("The token holds no backup key: no bundle can be written.");
        foreach (var destination in reachable.Where(each => each.IsDue))
        {
            var bundleId = RandomNumberGenerator.GetBytes(BundleFormat.IdLength);
            var sequence = (state.Last?.Sequence ?? 0) + 1;
            var made = _time.GetUtcNow();
            var header = BundleHeader.Create(
                _installationId, bundleId, (ulong)sequence, kind, UnixTime.Nanoseconds(made), Convert.FromHexString(backupKeyId), state.Last?.Digest ?? []);
            var fileName = $"{Prefix}{sequence:000000000000}-{Convert.ToHexStringLower(bundleId.AsSpan(0, 4))}{BundleFormat.FileSuffix}";
            Progress = new BackupProgress(sequence, destination.Name, made, 0);
            try
            {
                WrittenContent? content = null;
                VerifiedBundle? verified = null;
                if (await TryAsync(destination, async () => verified = await destination.WriteAsync(
                    fileName, _signingKey,
                    async stream => content = await WriteBundleAsync(stream, header, kind, state, backupKeyId, cancellationToken), cancellationToken)))
                {
                    await RecordAsync(destination, fileName, verified!, content!, state, cancellationToken);
                    _logger.Written(
                        sequence, kind.ToString(), destination.Name, verified!.KeyCount, verified.VersionCount, verified.Length,
                        (_time.GetUtcNow() - made).TotalSeconds);
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
        Stream stream, BundleHeader header, BundleKind kind, BackupState state, string backupKeyId, CancellationToken cancellationToken)
    {
        using var writer = new BundleWriter(stream, header);
        var integrityKey = (await Installation.ReadAsync(_store, cancellationToken))!.IntegrityKeyBlobs
            .FirstOrDefault(blob => blob.TokenId == Keys.KeyBlobRow.BackupOf(backupKeyId))
            ?? throw new InvalidOperationException($"The store has no integrity key under the backup key {backupKeyId}: no bundle can be written.");
        await writer.WriteIntegrityKeyAsync(integrityKey.Blob, integrityKey.CheckValue, cancellationToken);
        var since = (state.NewestFull?.MadeTime ?? DateTimeOffset.UnixEpoch) - Overlap;
        var content = await _content.WriteAsync(writer, kind, since, backupKeyId, new Reported(this), cancellationToken);
        var signed = await writer.SealAsync((ulong)content.LeftOutCount, _signingKey, cancellationToken);
        await writer.CompleteAsync(await _signer.Sign(signed, cancellationToken), cancellationToken);
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
        await _store.CommitAsync(
            record,
            async transaction =>
            {
                var last = await _tables.FindLastAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
                if (last?.Sequence != state.Last?.Sequence)
                {
                    throw new StoreUnavailableException("Another server recorded a bundle meanwhile.");
                }

                await _tables.InsertBundleAsync(transaction, bundle);
                await _tables.PutCopyAsync(transaction, null, bundle.Sequence, destination.Name, CopyState.Verified);
                if (blocks.Count > 0)
                {
                    await _tables.InsertSegmentAsync(transaction, bundle.Sequence, 0, blocks[0]);
                }
            },
            cancellationToken);
        for (var ordinal = 1; ordinal < blocks.Count; ordinal++)
        {
            var (place, ids) = (ordinal, blocks[ordinal]);
            await _store.CommitAsync(
                new AuditRecordDraft(AuditEvent.BackupVersionsRecorded) { Automated = true, ItemCount = ids.Length, Detail = $"bundle {bundle.Sequence}, block {place}" },
                transaction => _tables.InsertSegmentAsync(transaction, bundle.Sequence, place, ids), cancellationToken);
        }

        _leftOut = bundle.Kind == BundleKind.Full ? [.. content.LeftOut] : [.. _leftOut, .. content.LeftOut];
        if (bundle.LeftOutCount > 0)
        {
            var finding = content.Tampered?.Message ?? "they have no wrap under this backup key.";
            _logger.LeftOut(bundle.Sequence, bundle.LeftOutCount, finding);
            if (content.Tampered is { } tampered)
            {
                await _alarms.RaiseAsync(
                    AlarmKind.StoreTampered, $"{tampered.Table}/{tampered.RowId}",
                    $"{tampered.Message} Bundle {bundle.Sequence} leaves {bundle.LeftOutCount} versions out.", cancellationToken);
            }
        }
    }

    /// <summary>Reads copies of one destination that were not read for a day, or all of them.</summary>
    private async Task CheckAsync(BackupDestination destination, bool all, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        foreach (var bundle in state.InForce)
        {
            if (state.CopyOf(bundle, destination.Name) is { } copy && (all || IsDue(copy)))
            {
                await RecordCopyAsync(destination, bundle, copy, await LookAtAsync(destination, bundle, cancellationToken), cancellationToken);
            }
        }
    }

    /// <summary>Copies what is missing at a destination, or damaged there, from another one.</summary>
    private async Task MendAsync(List<BackupDestination> reachable, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        foreach (var destination in reachable)
        {
            foreach (var bundle in state.InForce.Where(bundle => !state.IsVerified(bundle, destination.Name)))
            {
                // A server may have copied it and died before it recorded that; or a disk that was away has come back.
                var stands = await LookAtAsync(destination, bundle, cancellationToken) == CopyState.Verified;
                foreach (var source in reachable.Where(each => !stands && each != destination && state.IsVerified(bundle, each.Name)))
                {
                    stands = await TryAsync(destination, async () => Demand(
                        bundle, await destination.CopyAsync(source, bundle.FileName, _signingKey, cancellationToken)));
                    if (stands)
                    {
                        _logger.Copied(bundle.Sequence, destination.Name);
                        break;
                    }
                }

                if (stands)
                {
                    await RecordCopyAsync(destination, bundle, state.CopyOf(bundle, destination.Name), CopyState.Verified, cancellationToken);
                }
            }
        }
    }

    private async Task<CopyState> LookAtAsync(BackupDestination destination, BundleRow bundle, CancellationToken cancellationToken)
    {
        try
        {
            Demand(bundle, await destination.VerifyAsync(bundle.FileName, _signingKey, cancellationToken));
            return CopyState.Verified;
        }
        catch (BundleException)
        {
            return CopyState.Damaged;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return CopyState.Missing;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CopyState.Damaged;
        }
    }

    /// <summary>The destination is not there: its copies are not either.</summary>
    private async Task LostAsync(BackupDestination destination, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        foreach (var bundle in state.InForce)
        {
            if (state.CopyOf(bundle, destination.Name) is { State: CopyState.Verified } copy)
            {
                await RecordCopyAsync(destination, bundle, copy, CopyState.Missing, cancellationToken);
            }
        }
    }

    private async Task<bool> IsAnyDueAsync(BackupDestination destination, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        return state.Copies.Any(copy => copy.Destination == destination.Name && copy.State == CopyState.Verified && IsDue(copy));
    }

    private bool IsDue(CopyRow copy) => copy.State != CopyState.Verified || _time.GetUtcNow() - copy.CheckedTime >= CheckEvery;

    private async Task RecordCopyAsync(
        BackupDestination destination, BundleRow bundle, CopyRow? before, CopyState state, CancellationToken cancellationToken)
    {
        if (before is { State: not CopyState.Verified } && before.State == state)
        {
            return;
        }

        var record = new AuditRecordDraft(AuditEvent.BackupCopyRecorded)
        {
            Automated = true,
            Outcome = state == CopyState.Verified ? AuditOutcome.Success : AuditOutcome.Failed,
            Detail = $"bundle {bundle.Sequence} at {destination.Name}: {state.ToString().ToLowerInvariant()}",
        };
        await _store.CommitAsync(
            record, transaction => _tables.PutCopyAsync(transaction, before, bundle.Sequence, destination.Name, state), cancellationToken);
    }

    /// <summary>Raises and clears the alarm of each destination that was tried.</summary>
    private async Task TellAsync(List<BackupDestination> reachable, CancellationToken cancellationToken)
    {
        var state = await BackupState.LoadAsync(_store, _tables, cancellationToken);
        foreach (var destination in _destinations)
        {
            var absent = state.InForce.Count(bundle => !state.IsVerified(bundle, destination.Name));
            if (!destination.IsFailing && reachable.Contains(destination) && absent > 0)
            {
                var problem = $"{absent} of the {state.InForce.Count} bundles in force do not stand verified there";
                destination.Failed(problem);
                _logger.DestinationFailed(destination.Name, problem);
            }

            if (destination.IsFailing)
            {
                _alarmed.Add(destination.Name);
                await _alarms.RaiseAsync(
                    AlarmKind.BackupDestination, destination.Name,
                    $"The backup destination {destination.Name} fails: {destination.Problem!.TrimEnd('.')}. It is tried again; keyservice backup list shows what stands where.",
                    cancellationToken);
            }
            else if (reachable.Contains(destination))
            {
                destination.Worked();
                if (_alarmed.Remove(destination.Name) || !_begun)
                {
                    await _alarms.ClearAsync(AlarmKind.BackupDestination, destination.Name, cancellationToken);
                }
            }
        }
    }

    // What keeps every bundle from being written is no destination's fault, and every destination's subject.
    private async Task TellAllAsync(string problem, CancellationToken cancellationToken)
    {
        foreach (var destination in _destinations)
        {
            _alarmed.Add(destination.Name);
            await _alarms.RaiseAsync(AlarmKind.BackupDestination, destination.Name, problem, cancellationToken);
        }
    }

    /// <returns>False when the destination failed: it is told, and tried again later.</returns>
    private async Task<bool> TryAsync(BackupDestination destination, Func<Task> work)
    {
        try
        {
            await work();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BundleException)
        {
            destination.Failed(e.Message);
            _logger.DestinationFailed(destination.Name, e.Message);
            return false;
        }
    }

    private static void Demand(BundleRow bundle, VerifiedBundle verified)
    {
        if (!verified.Digest.SequenceEqual(bundle.Digest))
        {
            throw new BundleException(BundleFault.Damaged, $"The file {bundle.FileName} holds another bundle than the one recorded.");
        }
    }

    private string Prefix => $"keyservice-{Convert.ToHexStringLower(_installationId.AsSpan(0, 4))}-";

    /// <summary>Progress for the RPC and, every 100,000 versions, for the log.</summary>
    private sealed class Reported(BackupWriter writer) : IProgress<long>
    {
        private const long LogEvery = 100_000;

        private long _logged;

        public void Report(long value)
        {
            if (writer.Progress is { } progress)
            {
                writer.Progress = progress with { Versions = value };
                if (value - _logged >= LogEvery)
                {
                    _logged = value;
                    writer._logger.Writing(progress.Sequence, progress.Destination, value);
                }
            }
        }
    }
}
