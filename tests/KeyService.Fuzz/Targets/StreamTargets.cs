using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Fuzz.Engine;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>The stream messages' hand-written readers, held to the generated classes and to their own writers.</summary>
internal static class StreamTargets
{
    private static readonly byte[][] Words = [[0x0A], [0x12], [0x1A, 0x00], [0x12, 0x00], [0x0A, 0x00], [0x22, 0x00], [0x12, 0x80, 0x00], [0x92, 0x00, 0x00], [0x0B, 0x0C]];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("stream-request", [typeof(StreamRequest<>), typeof(StreamWire)], input => Request(input)) { AllocatedPerByte = 256, Words = Words, Seeds = RequestSeeds },
        new("stream-response", [typeof(StreamResponse), typeof(StreamWire)], Response) { AllocatedPerByte = 256, Words = Words, Seeds = ResponseSeeds },
    ];

    private static Outcome Request(byte[] input)
    {
        Outcome decrypt = Request<DecryptStreamStart>(input, null);
        Outcome encrypt = Request<EncryptStreamStart>(input, Parse(EncryptStreamRequest.Parser, input));
        return encrypt with { Detail = (encrypt.Detail * 512) + decrypt.Detail };
    }

    private static Outcome Request<TStart>(byte[] input, EncryptStreamRequest? generated)
        where TStart : class, IMessage<TStart>, new()
    {
        using StreamRequest<TStart> request = StreamRequest<TStart>.Read(Segments.Of(input));
        if (generated is not null)
        {
            Compare(request, generated);
            using StreamRequest<TStart> again = StreamRequest<TStart>.Read(Segments.Of(generated.ToByteArray()));
            Unless(again.Kind != StreamMessageKind.Malformed, "what the generated class writes is read");
            Unless(again.Start is not EncryptStreamStart start || start.Equals(generated.Start), "the start is the same");
        }
        if (request.Kind is not (StreamMessageKind.Start or StreamMessageKind.Data or StreamMessageKind.Finish))
        {
            return Outcome.Refused((int)request.Kind);
        }
        using StreamRequest<TStart> written = StreamRequest<TStart>.Read(new ReadOnlySequence<byte>(Collected.Of(request.Write)));
        Unless(written.Kind == request.Kind && Equals(written.Start, request.Start), "what is read is written and read again");
        UnlessSame(request.Data.Span, written.Data.Span, "its data too");
        return Outcome.Taken(((int)request.Kind * 32) + Outcome.Step(request.Data.Length));
    }

    // A start that stands twice is merged by the generated class and read once by the other: its content is compared after it was written again.
    private static void Compare<TStart>(StreamRequest<TStart> request, EncryptStreamRequest generated)
        where TStart : class, IMessage<TStart>, new()
    {
        StreamMessageKind kind = generated.MessageCase switch
        {
            EncryptStreamRequest.MessageOneofCase.Start => StreamMessageKind.Start,
            EncryptStreamRequest.MessageOneofCase.Data => StreamMessageKind.Data,
            EncryptStreamRequest.MessageOneofCase.Finish => StreamMessageKind.Finish,
            _ => StreamMessageKind.None,
        };
        Unless(request.Kind is StreamMessageKind.Malformed || request.Kind == kind, "both see the same alternative");
        Unless(request.Kind is StreamMessageKind.Malformed || request.Data.Span.SequenceEqual(generated.Data.Span), "the data is the same");
    }

    private static Outcome Response(byte[] input)
    {
        using StreamResponse response = StreamResponse.Read(Segments.Of(input));
        EncryptStreamResponse? generated = Parse(EncryptStreamResponse.Parser, input);
        if (generated is not null)
        {
            Unless(response.Kind != StreamMessageKind.Data || generated.MessageCase == EncryptStreamResponse.MessageOneofCase.Data, "both see the same alternative");
            Unless(response.Kind != StreamMessageKind.Data || response.Data.Span.SequenceEqual(generated.Data.Span), "the data is the same");
            using StreamResponse again = StreamResponse.Read(Segments.Of(generated.ToByteArray()));
            Unless(again.Kind != StreamMessageKind.Malformed, "what the generated class writes is read");
            Unless(again.Summary is not { } summary || summary.Equals(generated.Summary), "the summary is the same");
        }
        if (response.Kind is not (StreamMessageKind.Data or StreamMessageKind.Summary))
        {
            return Outcome.Refused((int)response.Kind);
        }
        using StreamResponse written = StreamResponse.Read(new ReadOnlySequence<byte>(Collected.Of(response.Write)));
        Unless(written.Kind == response.Kind && Equals(written.Summary, response.Summary), "what is read is written and read again");
        UnlessSame(response.Data.Span, written.Data.Span, "its data too");
        return Outcome.Taken(((int)response.Kind * 32) + Outcome.Step(response.Data.Length));
    }

    private static T? Parse<T>(MessageParser<T> parser, byte[] input)
        where T : class, IMessage<T>
    {
        try
        {
            return parser.ParseFrom(input);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static IEnumerable<(string Name, byte[] Input)> RequestSeeds()
    {
        var start = new EncryptStreamStart
        {
            Key = "ehr/one", ContentName = "dump.sql", Context = new Context { Entries = { new ContextEntry { Key = "tenant", Value = "st-mary" } } },
        };
        yield return ("start", new EncryptStreamRequest { Start = start }.ToByteArray());
        yield return ("data", new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[300]) }.ToByteArray());
        yield return ("finish", new EncryptStreamRequest { Finish = new StreamFinish() }.ToByteArray());
        yield return ("decrypt-start", new DecryptStreamRequest { Start = new DecryptStreamStart { ExpectedContext = start.Context } }.ToByteArray());
        yield return ("none", []);
    }

    private static IEnumerable<(string Name, byte[] Input)> ResponseSeeds()
    {
        yield return ("data", new EncryptStreamResponse { Data = ByteString.CopyFromUtf8("abc") }.ToByteArray());
        yield return ("summary", new EncryptStreamResponse
        {
            Summary = new StreamSummary { ArchiveBytes = 12_500, PlaintextBytes = 100, Key = "ehr/one", KeyVersion = "0123456789abcdef" },
        }.ToByteArray());
        yield return ("none", []);
    }

    /// <summary>Stands where the gRPC library stands when a message is written.</summary>
    private sealed class Collected : SerializationContext
    {
        private readonly ArrayBufferWriter<byte> _output = new();

        public static byte[] Of(Action<SerializationContext> write)
        {
            var collected = new Collected();
            write(collected);
            return collected._output.WrittenSpan.ToArray();
        }

        public override void SetPayloadLength(int payloadLength)
        {
        }

        public override IBufferWriter<byte> GetBufferWriter() => _output;

        public override void Complete()
        {
        }
    }
}
