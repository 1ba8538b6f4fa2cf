using System.Buffers;
using Google.Protobuf;
using Grpc.Core;

namespace KeyService.Protocol.Bulk;

/// <summary>Marshallers of the hand-written messages for Grpc.Core's Method.</summary>
internal static class CipherMarshallers
{
    /// <summary>A request is given up as soon as it is on its way: it is zeroed.</summary>
    public static Marshaller<FieldRequest> Request(FieldMessage kind) => new(
        (request, context) => WriteAndDispose(request.Message, context),
        context => FieldRequest.Read(kind, context.PayloadAsReadOnlySequence()));

    /// <summary>An answer likewise.</summary>
    public static Marshaller<FieldResponse> Response(FieldMessage kind) => new(
        (response, context) => WriteAndDispose(response.Message, context),
        context => FieldResponse.Read(kind, context.PayloadAsReadOnlySequence()));

    public static Marshaller<StreamRequest<TStart>> StreamRequest<TStart>()
        where TStart : class, IMessage<TStart>, new() => new(
        (request, context) =>
        {
            using (request)
            {
                request.Write(context);
            }
        },
        context => Bulk.StreamRequest<TStart>.Read(context.PayloadAsReadOnlySequence()));

    public static Marshaller<StreamResponse> StreamResponse { get; } = new(
        (response, context) => response.Write(context),
        context => Bulk.StreamResponse.Read(context.PayloadAsReadOnlySequence()));

    private static void WriteAndDispose(PooledBytes message, SerializationContext context)
    {
        using (message)
        {
            context.SetPayloadLength(message.Length);
            context.GetBufferWriter().Write(message.Span);
            context.Complete();
        }
    }
}
