using Google.Protobuf;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyVersion = KeyService.Server.Keys.KeyVersion;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.DataKeys;

/// <summary>RPCs of data_keys.proto.</summary>
/// <remarks>
/// Plaintext keys stand in pinned memory that the answer refers to without a copy and that is zeroed when the call has ended, after
/// the answer was serialised (docs/adr/0062). What the transport's and TLS's buffers keep is said in the threat model.
/// </remarks>
internal sealed class DataKeysService(
    DataKeyMaker maker, DataKeyRewrapping rewrapping, KeyRing keys, LeaseWatching leases, UseReports reports) : Wire.DataKeys.DataKeysBase
{
    private const int MaxCount = 1000;

    [Rpc(Permission.GenerateDataKey, AuditEvent.DataKeyGenerated, PerKey = true)]
    public override async Task<GenerateDataKeyResponse> GenerateDataKey(GenerateDataKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Key, "key");
        var binding = DataKeyBinding.Require(request.Binding, "binding");
        call.Authorize(name.Value, binding.Context);
        var version = await maker.FindForWrappingAsync(name.Value, call.CancellationToken, binding.KeyPurpose);
        call.Record.KeyVersion = version.Id;
        call.Record.ItemCount = 1;

        var plaintext = RentUntilAnswered(1, context);
        var wrapped = new byte[WrappedDataKey.Length];
        await maker.GenerateAsync(
            version, binding, binding.HasSubject ? [binding.SubjectId] : null, 1, plaintext, wrapped, call.CancellationToken);
        return Answer(version, request.WithoutPlaintext ? default : plaintext[0], wrapped);
    }

    [Rpc(Permission.GenerateDataKey, AuditEvent.DataKeysGenerated, PerKey = true)]
    public override async Task<GenerateDataKeysResponse> GenerateDataKeys(GenerateDataKeysRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Key, "key");
        var binding = DataKeyBinding.RequireForMany(request.Binding, "binding");
        DemandCount(request.Count, "count");
        var subjectIds = RequireSubjectIds(request, binding);
        call.Authorize(name.Value, binding.Context);
        var version = await maker.FindForWrappingAsync(name.Value, call.CancellationToken, binding.KeyPurpose);
        call.Record.KeyVersion = version.Id;
        call.Record.ItemCount = request.Count;

        var plaintexts = RentUntilAnswered(request.Count, context);
        var wrapped = new byte[request.Count * WrappedDataKey.Length];
        await maker.GenerateAsync(version, binding, subjectIds, request.Count, plaintexts, wrapped, call.CancellationToken);
        var response = new GenerateDataKeysResponse();
        for (var index = 0; index < request.Count; index++)
        {
            var plaintext = request.WithoutPlaintext ? default : plaintexts[index];
            response.DataKeys.Add(Answer(version, plaintext, wrapped.AsMemory(index * WrappedDataKey.Length, WrappedDataKey.Length)));
        }

        return response;
    }

    [Rpc(Permission.UnwrapDataKey, AuditEvent.DataKeyUnwrapped)]
    public override async Task<UnwrapDataKeyResponse> UnwrapDataKey(UnwrapDataKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var binding = DataKeyBinding.Require(request.Binding, "binding");
        call.Record.ItemCount = 1;
        var version = await FindGrantedAsync(request.Wrapped, binding, call);
        var plaintext = RentUntilAnswered(1, context);
        if (!await maker.TryUnwrapAsync(version, binding, request.Wrapped.Memory, plaintext, call.CancellationToken))
        {
            throw Refusal.DecryptionFailed();
        }

        return new UnwrapDataKeyResponse
        {
            Plaintext = UnsafeByteOperations.UnsafeWrap(plaintext[0]),
            Key = version.KeyName,
            KeyVersion = version.IdText,
        };
    }

    [Rpc(Permission.RewrapDataKey, AuditEvent.DataKeyRewrapped)]
    public override async Task<RewrapDataKeyResponse> RewrapDataKey(RewrapDataKeyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var binding = DataKeyBinding.Require(request.Binding, "binding");
        call.Record.ItemCount = 1;
        var version = await FindGrantedAsync(request.Wrapped, binding, call);
        return await rewrapping.RewrapAsync(version, binding, request.Wrapped, call.CancellationToken) ?? throw Refusal.DecryptionFailed();
    }

    [Rpc(Permission.RewrapDataKey, AuditEvent.DataKeysRewrapped)]
    public override async Task<RewrapDataKeysResponse> RewrapDataKeys(RewrapDataKeysRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        DemandCount(request.Items.Count, "items");
        call.Record.ItemCount = request.Items.Count;
        return await rewrapping.RewrapManyAsync(request.Items, call);
    }

    [Rpc(Permission.None, AuditEvent.LeaseWatchClosed, Opened = AuditEvent.LeaseWatchOpened, Listens = true)]
    public override async Task WatchLeases(
        WatchLeasesRequest request, IServerStreamWriter<WatchLeasesResponse> responseStream, ServerCallContext context)
    {
        var call = Call.Of(context);
        var held = HeldLease.Require(request.Leases);
        var heartbeat = LeaseWatching.RequireHeartbeat(request.HeartbeatMilliseconds);
        call.Record.ItemCount = held.Count;

        // Each answer says itself what is granted; the watch as such gives nothing away.
        call.Authorize(keyName: null, context: null);
        await leases.RunAsync(held, heartbeat, responseStream, call);
    }

    [Rpc(Permission.None, AuditEvent.DataKeyUseReported)]
    public override async Task<ReportUseResponse> ReportUse(ReportUseRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var enter = await reports.CheckAsync(request, call);
        return await call.MutateAsync(request.RequestId, request, _ =>
        {
            enter();
            return Task.FromResult(new ReportUseResponse());
        });
    }

    /// <summary>The version that wrapped this, if the caller may use it with this binding. No version and no grant are one
    /// answer.</summary>
    /// <exception cref="Refusal">DECRYPTION_FAILED for what is no wrapped data key; ACCESS_DENIED; KEY_STATE.</exception>
    private async ValueTask<KeyVersion> FindGrantedAsync(ByteString wrapped, DataKeyBinding binding, Call call)
    {
        if (!WrappedDataKey.TryParse(wrapped.Span, out var parsed))
        {
            throw Refusal.DecryptionFailed();
        }

        var version = await keys.FindVersionAsync(parsed.VersionId, call.CancellationToken) ?? throw Refusal.AccessDenied();
        call.Record.KeyVersion = version.Id;
        call.Authorize(version.KeyName, binding.Context);
        DataKeyRewrapping.DemandProcessing(version);
        keys.Uses.Note(version.Id);
        call.WarnOf(version.Row);
        return version;
    }

    private static GenerateDataKeyResponse Answer(KeyVersion version, Memory<byte> plaintext, Memory<byte> wrapped) => new()
    {
        Plaintext = plaintext.IsEmpty ? ByteString.Empty : UnsafeByteOperations.UnsafeWrap(plaintext),
        Wrapped = UnsafeByteOperations.UnsafeWrap(wrapped),
        KeyVersion = version.IdText,
    };

    /// <summary>Memory that is zeroed when the call has ended, whether its answer was sent or not.</summary>
    private static PlaintextKeys RentUntilAnswered(int count, ServerCallContext context)
    {
        var keys = new PlaintextKeys(count);
        context.GetHttpContext().Response.RegisterForDispose(keys);
        return keys;
    }

    private static void DemandCount(int count, string field)
    {
        if (count < 1)
        {
            throw Refusal.InvalidArgument(field, "must be 1 to 1,000");
        }

        if (count > MaxCount)
        {
            throw Refusal.BatchTooLarge(field, "must be 1 to 1,000");
        }
    }

    private static List<ReadOnlyMemory<byte>>? RequireSubjectIds(GenerateDataKeysRequest request, DataKeyBinding binding)
    {
        if (request.SubjectIds.Count != (binding.HasSubject ? request.Count : 0))
        {
            throw Refusal.InvalidArgument(
                "subject_ids",
                binding.HasSubject ? "must be as many as count: one 16-byte id a data key" : "must be empty for DATA_KEY_USE_GENERAL");
        }

        if (!binding.HasSubject)
        {
            return null;
        }

        var seen = new HashSet<ByteString>();
        var ids = new List<ReadOnlyMemory<byte>>(request.Count);
        foreach (var id in request.SubjectIds)
        {
            var field = $"subject_ids[{ids.Count}]";
            DataKeyBinding.RequireSubject(binding.Purpose, id.Length, field);
            ids.Add(seen.Add(id) ? id.Memory : throw Refusal.InvalidArgument(field, "stands twice"));
        }

        return ids;
    }
}
