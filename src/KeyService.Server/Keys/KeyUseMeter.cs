using System.Collections.Concurrent;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>
/// Adds up what is done with key versions, by whom, and writes the sums about once a minute and at the end. A server that dies loses a
/// minute of sums and no record: what must not be lost (wraps) is reserved beforehand.
/// </summary>
internal sealed partial class KeyUseMeter(IStore store, RowAuthenticator rows, TimeProvider time, ILogger<KeyUseMeter> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>Sums a commit: a few milliseconds of the writer.</summary>
    private const int SumsAtOnce = 200;

    private readonly KeyUseTable _table = new(rows);
    private ConcurrentDictionary<(KeyVersionId Version, string Principal), Sum> _sums = new();

    /// <summary>Takes a successful call into the sums. Quick, and does not throw.</summary>
    public void Count(AuditRecordDraft record)
    {
        if (record is { KeyVersion: { } version, Outcome: AuditOutcome.Success } && DirectionOf(record.Event) is { } protects)
        {
            var items = Math.Max(record.ItemCount, 1);
            var now = time.GetUtcNow();
            Add(protects
                ? new KeyUseRow(version, record.Principal, items, record.ByteCount, 0, 0, now, now, Revision: 1)
                : new KeyUseRow(version, record.Principal, 0, 0, items, record.ByteCount, now, now, Revision: 1));
        }
    }

    /// <summary>Writes what was added up.</summary>
    /// <exception cref="StoreUnavailableException">Nothing is lost: it is written another time.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        var sums = Interlocked.Exchange(ref _sums, new ConcurrentDictionary<(KeyVersionId, string), Sum>());
        var left = new Queue<KeyUseRow>(sums.Values.Select(sum => sum.Take()).OfType<KeyUseRow>());
        while (left.Count > 0)
        {
            var page = left.Take(SumsAtOnce).ToList();
            try
            {
                await store.CommitAsync(
                    new AuditRecordDraft(AuditEvent.KeyUseMetered) { Automated = true, ItemCount = page.Count },
                    async transaction =>
                    {
                        foreach (var row in page)
                        {
                            await _table.AddAsync(transaction, row);
                        }
                    },
                    cancellationToken);
            }
            catch (Exception e) when (e is StoreUnavailableException or StoreOverloadedException or OperationCanceledException)
            {
                foreach (var row in left)
                {
                    Add(row);
                }

                throw;
            }

            for (var i = 0; i < page.Count; i++)
            {
                left.Dequeue();
            }
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TryFlushAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await Task.Delay(Interval, time, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await TryFlushAsync(stoppingToken);
        }
    }

    private void Add(KeyUseRow row)
    {
        // A sum that was just taken out to be written takes nothing more: then there is a new one.
        while (!_sums.GetOrAdd((row.VersionId, row.Principal), _ => new Sum()).TryAdd(row))
        {
        }
    }

    private async Task TryFlushAsync(CancellationToken cancellationToken)
    {
        try
        {
            await FlushAsync(cancellationToken);
        }
        catch (Exception e)
        {
            FlushFailed(logger, e);
        }
    }

    // True protects, false processes, null is neither.
    private static bool? DirectionOf(AuditEvent auditEvent) => auditEvent switch
    {
        AuditEvent.DataKeyGenerated or AuditEvent.DataKeysGenerated or AuditEvent.FieldEncrypted or AuditEvent.FieldsEncrypted
            or AuditEvent.EncryptStreamClosed => true,
        AuditEvent.DataKeyUnwrapped or AuditEvent.DataKeyRewrapped or AuditEvent.DataKeysRewrapped or AuditEvent.FieldDecrypted
            or AuditEvent.FieldsDecrypted or AuditEvent.FieldsReencrypted or AuditEvent.DecryptStreamClosed => false,
        _ => null,
    };

    [LoggerMessage(3050, LogLevel.Warning, "The sums of what was done with keys could not be written; they are written later")]
    private static partial void FlushFailed(ILogger logger, Exception exception);

    private sealed class Sum
    {
        private readonly Lock _gate = new();
        private KeyUseRow? _sum;
        private bool _taken;

        public bool TryAdd(KeyUseRow row)
        {
            lock (_gate)
            {
                if (_taken)
                {
                    return false;
                }

                _sum = _sum is null ? row : _sum with
                {
                    ProtectedItems = _sum.ProtectedItems + row.ProtectedItems,
                    ProtectedBytes = _sum.ProtectedBytes + row.ProtectedBytes,
                    ProcessedItems = _sum.ProcessedItems + row.ProcessedItems,
                    ProcessedBytes = _sum.ProcessedBytes + row.ProcessedBytes,
                    FirstTime = row.FirstTime < _sum.FirstTime ? row.FirstTime : _sum.FirstTime,
                    LastTime = row.LastTime > _sum.LastTime ? row.LastTime : _sum.LastTime,
                };
                return true;
            }
        }

        public KeyUseRow? Take()
        {
            lock (_gate)
            {
                _taken = true;
                return _sum;
            }
        }
    }
}
