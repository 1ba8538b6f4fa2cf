using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto;

namespace KeyService.Client.Internal;

/// <summary>
/// Methods whose answers carry secrets. The transport hands over a pooled array that it returns as it is, so the payload
/// is zeroed as soon as it is parsed; copies that TLS buffers keep are outside our reach (docs/threat-model.md).
/// </summary>
internal static class SecretMethod
{
    public static Method<TRequest, TResponse> Create<TRequest, TResponse>(
        string service, string name, MessageParser<TRequest> requests, MessageParser<TResponse> responses)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        new(MethodType.Unary, service, name,
            Marshallers.Create<TRequest>(Write, context => requests.ParseFrom(context.PayloadAsReadOnlySequence())),
            Marshallers.Create<TResponse>(Write, context => ParseAndZero(context.PayloadAsReadOnlySequence(), responses)));

    private static void Write<T>(T message, SerializationContext context)
        where T : class, IMessage<T>
    {
        context.SetPayloadLength(message.CalculateSize());
        message.WriteTo(context.GetBufferWriter());
        context.Complete();
    }

    private static T ParseAndZero<T>(ReadOnlySequence<byte> payload, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        try
        {
            return parser.ParseFrom(payload);
        }
        finally
        {
            foreach (var segment in payload)
            {
                CryptographicOperations.ZeroMemory(MemoryMarshal.AsMemory(segment).Span);
            }
        }
    }
}

/// <summary>Moves secret bytes out of a parsed message.</summary>
internal static class SecretBytes
{
    /// <summary>Bytes of a data key.</summary>
    private const int DataKeyLength = 32;

    /// <summary>Copies a data key into locked memory and zeroes the message's own array, which nobody else reads.</summary>
    public static SecretBuffer Take(ByteString bytes) => Take(bytes, DataKeyLength);

    /// <summary>The same of another secret.</summary>
    /// <param name="bytes">The field of the message.</param>
    /// <param name="length">The bytes that it must have.</param>
    public static SecretBuffer Take(ByteString bytes, int length)
    {
        var memory = MemoryMarshal.AsMemory(bytes.Memory);
        try
        {
            return memory.Length == length
                ? SecretBuffer.CopyOf(memory.Span)
                : throw new KeyServiceException(ClientReason.Protocol, $"The service answered a secret of {memory.Length} bytes instead of {length}.",
                    "Use a client and a server of the same release.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(memory.Span);
        }
    }
}
