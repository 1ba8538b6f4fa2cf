using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Evidence;

/// <summary>RPCs of evidence.proto.</summary>
internal sealed class EvidenceService(
    EvidenceCollector collector, EvidenceSigner signer, Checkpoints checkpoints, IStore store, HsmToken hsm, ServerConfiguration configuration, TimeProvider time)
    : Wire.Evidence.EvidenceBase
{
    private const int AnswerBytes = 64 * 1024;

    [Rpc(Permission.ExportEvidence, AuditEvent.EvidenceExported, Opened = AuditEvent.EvidenceExportOpened, StepUp = true)]
    public override async Task ExportEvidence(ExportEvidenceRequest request, IServerStreamWriter<ExportEvidenceResponse> responseStream, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var made = Seconds(time.GetUtcNow());
        var range = new EvidenceRange(Require(request.StartTime, "start_time"), Require(request.EndTime, "end_time"));
        if (range.From >= range.Until || range.Until > made.AddSeconds(1))
        {
            throw Refusal.InvalidArgument("end_time", "must be later than start_time, and not in the future");
        }

        call.Record.Detail = $"{range.From:u} to {range.Until:u}";
        var installation = (await Installation.ReadAsync(store, call.CancellationToken))!.LogId;
        if (request.Log)
        {
            // The log in the pack ends at the newest checkpoint: at this one, which has this server's records up to now, and not at one of a minute ago.
            await checkpoints.MakeAsync(sealing: false, call.CancellationToken);
        }

        var items = new List<EvidenceItem>();
        var files = new List<EvidenceEntry>();
        await foreach (var item in collector.CollectAsync(range, request.Log, call.CancellationToken))
        {
            foreach (var file in item.Beside.Prepend(new EvidenceFile(item.Name, item.Content)))
            {
                await SendAsync(file.Name, file.Content, responseStream, call.CancellationToken);
                files.Add(EvidenceEntry.Of(file.Name, file.Content));
            }

            items.Add(item with { Content = [], Beside = [.. item.Beside.Select(file => file with { Content = [] })] });
        }

        var page = EvidencePage.Make(
            Convert.ToHexStringLower(installation), range, made, hsm.DevelopmentOnly || configuration.Profile == ServerProfile.Development, request.Log, items);
        await SendAsync(EvidencePage.Name, page, responseStream, call.CancellationToken);
        files.Add(EvidenceEntry.Of(EvidencePage.Name, page));

        var text = new EvidenceManifest(installation, range.From, range.Until, made, files).ToString();
        var key = await signer.VerifierAsync(installation, call.CancellationToken);
        var note = EcdsaNoteSignature.Sign(text, key, await signer.Sign(EcdsaNoteSignature.Digest(text), call.CancellationToken)).ToArray();
        await SendAsync("key", Encoding.UTF8.GetBytes($"{key}\n"), responseStream, call.CancellationToken);
        await SendAsync("manifest", note, responseStream, call.CancellationToken);
        call.Record.ItemCount = files.Count;
        call.Record.Detail = $"{range.From:u} to {range.Until:u}, manifest SHA-256 {Convert.ToHexStringLower(SHA256.HashData(note))}{(request.Log ? ", with the log" : "")}";
    }

    private static async Task SendAsync(string name, byte[] content, IServerStreamWriter<ExportEvidenceResponse> responses, CancellationToken cancellationToken)
    {
        var sent = 0;
        do
        {
            var part = content.AsMemory(sent, Math.Min(AnswerBytes, content.Length - sent));
            await responses.WriteAsync(new ExportEvidenceResponse { Name = name, Data = UnsafeByteOperations.UnsafeWrap(part) }, cancellationToken);
            sent += part.Length;
        }
        while (sent < content.Length);
    }

    private static DateTimeOffset Require(Timestamp? time, string field) => time is { Nanos: 0 } && time.ToDateTimeOffset() is { Year: >= 1970 and <= 9998 } known
        ? known
        : throw Refusal.InvalidArgument(field, "must be a time in whole seconds");

    private static DateTimeOffset Seconds(DateTimeOffset moment) => new(moment.UtcTicks - (moment.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
}
