using Grpc.Core;
using KeyService.Crypto;
using KeyService.Server.Audit;

namespace KeyService.Server.Pipeline;

/// <summary>
/// The answers of a stream: before the first one leaves, permission was asked for and a record that the stream was opened is
/// durable. Under the idle time-out, like reading.
/// </summary>
internal sealed class RecordedWriter<T>(IServerStreamWriter<T> inner, Call call, CallRecorder recorder, IdleWatch idle, CallCharge charge)
    : IServerStreamWriter<T>
{
    private bool _opened;

    public WriteOptions? WriteOptions
    {
        get => inner.WriteOptions;
        set => inner.WriteOptions = value;
    }

    public Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        if (!_opened)
        {
            await OpenAsync();
            _opened = true;
        }
        await charge.SettleAsync();
        idle.BeginWrite();
        try
        {
            await inner.WriteAsync(message, cancellationToken.CanBeCanceled ? cancellationToken : idle.Token);
        }
        finally
        {
            idle.EndWrite();
        }
    }

    // The closing record names the opening one by its place in the log: one that no closing record names is a stream whose end
    // is missing (LostStreams).
    private async Task OpenAsync()
    {
        call.DemandAuthorized();
        var record = call.Record;
        var opened = new AuditRecordDraft(call.Rpc.Opened)
        {
            Outcome = AuditOutcome.Opened,
            Principal = record.Principal,
            PrincipalType = record.PrincipalType,
            Authentication = record.Authentication,
            OnBehalfOf = record.OnBehalfOf,
            Source = record.Source,
            Device = record.Device,
            Key = record.Key,
            KeyVersion = record.KeyVersion,
            ContextDigest = record.ContextDigest,
            TraceId = record.TraceId,
            RequestId = record.RequestId,
            Automated = record.Automated,
        };
        var receipt = await recorder.RecordAsync(opened, call.Started);
        record.Detail = LostStreams.NameOpening(receipt);
    }
}
