using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Ceremonies</c>: transcripts of key ceremonies.</summary>
public sealed class CeremonyCalls
{
    private readonly Ceremonies.CeremoniesClient ceremonies;
    private readonly CallRunner runner;

    internal CeremonyCalls(CallInvoker invoker, CallRunner runner)
    {
        ceremonies = new Ceremonies.CeremoniesClient(invoker);
        this.runner = runner;
    }

    /// <summary>Brings a transcript to the service, which verifies and keeps it.</summary>
    /// <param name="transcript">The document, at most 2 MiB.</param>
    /// <param name="requestId">The same one again within 24 hours does nothing twice.</param>
    /// <param name="cancellation">Ends the call.</param>
    public async Task<Ceremony> RecordAsync(ReadOnlyMemory<byte> transcript, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new RecordCeremonyRequest { RequestId = RequestId.OrNew(requestId), Transcript = ByteString.CopyFrom(transcript.Span) };
        return (await runner.UnaryAsync(o => ceremonies.RecordCeremonyAsync(request, o), cancellation).ConfigureAwait(false)).Ceremony;
    }

    /// <summary>Every ceremony that was recorded, the newest first, and when the next ones are due.</summary>
    public Task<ListCeremoniesResponse> ListAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => ceremonies.ListCeremoniesAsync(new ListCeremoniesRequest(), o), cancellation);

    /// <summary>One with its transcript.</summary>
    /// <param name="id">32 hexadecimal digits.</param>
    /// <param name="cancellation">Ends the call.</param>
    public Task<GetCeremonyResponse> GetAsync(string id, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => ceremonies.GetCeremonyAsync(new GetCeremonyRequest { Id = id }, o), cancellation);
}
