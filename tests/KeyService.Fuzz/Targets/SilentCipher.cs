using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;

namespace KeyService.Fuzz.Targets;

/// <summary>Reads what there is of a request, as the service's handlers do before they decide, and answers nothing.</summary>
internal sealed class SilentCipher : CipherBase
{
    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override Task<FieldResponse> Encrypt(FieldRequest request, ServerCallContext context) => Answer(FieldMessage.Encrypt, request, context);

    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override Task<FieldResponse> Decrypt(FieldRequest request, ServerCallContext context) => Answer(FieldMessage.Decrypt, request, context);

    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override Task<FieldResponse> EncryptBatch(FieldRequest request, ServerCallContext context) => Answer(FieldMessage.EncryptBatch, request, context);

    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override Task<FieldResponse> DecryptBatch(FieldRequest request, ServerCallContext context) => Answer(FieldMessage.DecryptBatch, request, context);

    [Rpc(Permission.None, AuditEvent.OwnAccessRead)]
    public override Task<FieldResponse> ReencryptBatch(FieldRequest request, ServerCallContext context) => Answer(FieldMessage.DecryptBatch, request, context);

    [Rpc(Permission.None, AuditEvent.EncryptStreamClosed, Opened = AuditEvent.EncryptStreamOpened)]
    public override Task EncryptStream(
        IAsyncStreamReader<StreamRequest<EncryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers, ServerCallContext context) =>
        Drain(requests, context);

    [Rpc(Permission.None, AuditEvent.DecryptStreamClosed, Opened = AuditEvent.DecryptStreamOpened)]
    public override Task DecryptStream(
        IAsyncStreamReader<StreamRequest<DecryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers, ServerCallContext context) =>
        Drain(requests, context);

    private static Task<FieldResponse> Answer(FieldMessage kind, FieldRequest request, ServerCallContext context)
    {
        using (request)
        {
            Call.Of(context).Authorize(null, null);
            return request.Problem == FieldRequestProblem.None
                ? Task.FromResult(FieldResponse.Read(kind, default))
                : throw Refusal.InvalidArgument("request", request.Problem.ToString());
        }
    }

    private static async Task Drain<TStart>(IAsyncStreamReader<StreamRequest<TStart>> requests, ServerCallContext context)
        where TStart : class, IMessage<TStart>, new()
    {
        Call.Of(context).Authorize(null, null);
        while (await requests.MoveNext(CancellationToken.None).ConfigureAwait(false))
        {
            using StreamRequest<TStart> request = requests.Current;
            if (request.Kind is StreamMessageKind.Malformed or StreamMessageKind.TooLarge or StreamMessageKind.None)
            {
                throw Refusal.InvalidArgument("request", request.Kind.ToString());
            }
        }
    }
}
