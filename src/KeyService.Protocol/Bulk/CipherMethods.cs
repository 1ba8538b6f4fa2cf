using Google.Protobuf.Reflection;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.Protocol.Bulk;

/// <summary>
/// The methods of keyservice.v1.Cipher with hand-written marshallers: the same names and the same bytes as the generated
/// ones, without an object a field. A client may use either.
/// </summary>
public static class CipherMethods
{
    private const string ServiceName = "keyservice.v1.Cipher";

    public static Method<FieldRequest, FieldResponse> Encrypt { get; } = Unary(nameof(Encrypt), FieldMessage.Encrypt);

    public static Method<FieldRequest, FieldResponse> Decrypt { get; } = Unary(nameof(Decrypt), FieldMessage.Decrypt);

    public static Method<FieldRequest, FieldResponse> EncryptBatch { get; } = Unary(nameof(EncryptBatch), FieldMessage.EncryptBatch);

    public static Method<FieldRequest, FieldResponse> DecryptBatch { get; } = Unary(nameof(DecryptBatch), FieldMessage.DecryptBatch);

    public static Method<FieldRequest, FieldResponse> ReencryptBatch { get; } = Unary(nameof(ReencryptBatch), FieldMessage.DecryptBatch);

    public static Method<StreamRequest<EncryptStreamStart>, StreamResponse> EncryptStream { get; } =
        Duplex<EncryptStreamStart>(nameof(EncryptStream));

    public static Method<StreamRequest<DecryptStreamStart>, StreamResponse> DecryptStream { get; } =
        Duplex<DecryptStreamStart>(nameof(DecryptStream));

    /// <summary>For server reflection, which asks the binding class for it.</summary>
    public static ServiceDescriptor Descriptor => Cipher.Descriptor;

    /// <summary>Called by the gRPC server through <see cref="BindServiceMethodAttribute"/> of <see cref="CipherBase"/>.</summary>
    public static void BindService(ServiceBinderBase binder, CipherBase? service)
    {
        Bind(binder, Encrypt, service is null ? null : service.Encrypt);
        Bind(binder, Decrypt, service is null ? null : service.Decrypt);
        Bind(binder, EncryptBatch, service is null ? null : service.EncryptBatch);
        Bind(binder, DecryptBatch, service is null ? null : service.DecryptBatch);
        Bind(binder, ReencryptBatch, service is null ? null : service.ReencryptBatch);
        Bind(binder, EncryptStream, service is null ? null : service.EncryptStream);
        Bind(binder, DecryptStream, service is null ? null : service.DecryptStream);
    }

    private static void Bind(
        ServiceBinderBase binder, Method<FieldRequest, FieldResponse> method, UnaryServerMethod<FieldRequest, FieldResponse>? handler) =>
        binder.AddMethod(method, handler);

    private static void Bind<TStart>(
        ServiceBinderBase binder, Method<StreamRequest<TStart>, StreamResponse> method,
        DuplexStreamingServerMethod<StreamRequest<TStart>, StreamResponse>? handler)
        where TStart : class, Google.Protobuf.IMessage<TStart>, new() =>
        binder.AddMethod(method, handler);

    private static Method<FieldRequest, FieldResponse> Unary(string name, FieldMessage kind) =>
        new(MethodType.Unary, ServiceName, name, CipherMarshallers.Request(kind), CipherMarshallers.Response(kind));

    private static Method<StreamRequest<TStart>, StreamResponse> Duplex<TStart>(string name)
        where TStart : class, Google.Protobuf.IMessage<TStart>, new() =>
        new(MethodType.DuplexStreaming, ServiceName, name, CipherMarshallers.StreamRequest<TStart>(), CipherMarshallers.StreamResponse);
}
