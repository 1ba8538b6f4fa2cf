using System.Threading.Channels;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Hosting;

/// <summary>
/// Records client certificates that were refused in the handshake: nobody is answered, so nobody waits for the record. At most
/// ten a second, because a stranger decides how many there are; those beyond are counted in the next record.
/// </summary>
internal sealed class HandshakeRefusals(IStore store, TimeProvider time, ListenerLog log) : BackgroundService
{
    private const int Waiting = 100;
    private const int MaxSubjectLength = 200;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);

    private readonly Channel<AuditRecordDraft> _records = Channel.CreateBounded<AuditRecordDraft>(
        new BoundedChannelOptions(Waiting) { FullMode = BoundedChannelFullMode.Wait, SingleReader = true });

    private long _dropped;

    public void Add(string subject, string source, string why)
    {
        // The subject is whatever a stranger put into a certificate.
        subject = OneLine.Of(subject, MaxSubjectLength);
        log.ClientCertificateRefused(subject, source, why);
        var record = new AuditRecordDraft(AuditEvent.AuthenticationRefused)
        {
            Outcome = AuditOutcome.Refused,
            Reason = RefusalStatus.NameOf(Reason.UnknownPrincipal),
            Source = source,
            Detail = $"handshake: {subject}: {why}",
        };
        if (!_records.Writer.TryWrite(record))
            Interlocked.Increment(ref _dropped);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var record in _records.Reader.ReadAllAsync(stoppingToken))
            {
                if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
                    record.Detail += $"; {dropped} more were not recorded one by one";
                await RecordAsync(record);
                await Task.Delay(Pace, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            while (_records.Reader.TryRead(out var record))
                await RecordAsync(record);
        }
    }

    private async Task RecordAsync(AuditRecordDraft record)
    {
        try
        {
            await store.CommitAsync(record, change: null, CancellationToken.None);
        }
        catch (Exception exception)
        {
            // The connection was refused all the same; health says what the store's matter is. Nothing may come out of here: it would
            // stop the server.
            log.RefusalNotRecorded(exception);
        }
    }
}
