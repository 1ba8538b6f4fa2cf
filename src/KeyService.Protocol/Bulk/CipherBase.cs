using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.Protocol.Bulk;

/// <summary>
/// Base of the Cipher service over the hand-written messages, in the place of the generated <c>Cipher.CipherBase</c>: the gRPC
/// server finds <see cref="CipherMethods.BindService"/> through the attribute. Requests are disposed by the implementation,
/// answers by the marshaller.
/// </summary>
[BindServiceMethod(typeof(CipherMethods), nameof(CipherMethods.BindService))]
public abstract class CipherBase
{
    public abstract Task<FieldResponse> Encrypt(FieldRequest request, ServerCallContext context);

    public abstract Task<FieldResponse> Decrypt(FieldRequest request, ServerCallContext context);

    public abstract Task<FieldResponse> EncryptBatch(FieldRequest request, ServerCallContext context);

    public abstract Task<FieldResponse> DecryptBatch(FieldRequest request, ServerCallContext context);

    public abstract Task<FieldResponse> ReencryptBatch(FieldRequest request, ServerCallContext context);

    public abstract Task EncryptStream(
        IAsyncStreamReader<StreamRequest<EncryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers,
        ServerCallContext context);

    public abstract Task DecryptStream(
        IAsyncStreamReader<StreamRequest<DecryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers,
        ServerCallContext context);
}
