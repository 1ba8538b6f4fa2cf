using Grpc.Core;
using KeyService.Protocol.Bulk;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>RPCs of cipher.proto, over the hand-written messages of <see cref="CipherMethods"/>.</summary>
internal sealed class CipherService(
    FieldEncryption encryption, FieldDecryption decryption, FieldReencryption reencryption,
    ArchiveEncryption archiveEncryption, ArchiveDecryption archiveDecryption) : CipherBase
{
    [Rpc(Permission.Encrypt, AuditEvent.FieldEncrypted, PerKey = true)]
    public override Task<FieldResponse> Encrypt(FieldRequest request, ServerCallContext context) =>
        encryption.RunAsync(request, Call.Of(context));

    [Rpc(Permission.Decrypt, AuditEvent.FieldDecrypted)]
    public override Task<FieldResponse> Decrypt(FieldRequest request, ServerCallContext context) =>
        decryption.RunAsync(request, Call.Of(context));

    [Rpc(Permission.Encrypt, AuditEvent.FieldsEncrypted, PerKey = true)]
    public override Task<FieldResponse> EncryptBatch(FieldRequest request, ServerCallContext context) =>
        encryption.RunAsync(request, Call.Of(context));

    [Rpc(Permission.Decrypt, AuditEvent.FieldsDecrypted)]
    public override Task<FieldResponse> DecryptBatch(FieldRequest request, ServerCallContext context) =>
        decryption.RunAsync(request, Call.Of(context));

    [Rpc(Permission.Reencrypt, AuditEvent.FieldsReencrypted)]
    public override Task<FieldResponse> ReencryptBatch(FieldRequest request, ServerCallContext context) =>
        reencryption.RunAsync(request, Call.Of(context));

    [Rpc(Permission.Encrypt, AuditEvent.EncryptStreamClosed, Opened = AuditEvent.EncryptStreamOpened, PerKey = true)]
    public override Task EncryptStream(
        IAsyncStreamReader<StreamRequest<EncryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers,
        ServerCallContext context) =>
        archiveEncryption.RunAsync(requests, answers, Call.Of(context));

    [Rpc(Permission.Decrypt, AuditEvent.DecryptStreamClosed, Opened = AuditEvent.DecryptStreamOpened)]
    public override Task DecryptStream(
        IAsyncStreamReader<StreamRequest<DecryptStreamStart>> requests, IServerStreamWriter<StreamResponse> answers,
        ServerCallContext context) =>
        archiveDecryption.RunAsync(requests, answers, Call.Of(context));
}
