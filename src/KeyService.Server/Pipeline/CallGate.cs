using System.Diagnostics;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using KeyService.Server.Access;
using KeyService.Server.Approvals;
using KeyService.Server.Audit;
using KeyService.Server.BreakGlass;
using KeyService.Server.Hosting;
using KeyService.Server.Oidc;
using KeyService.Server.Places;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using KeyService.Server.Telemetry;

namespace KeyService.Server.Pipeline;

/// <summary>
/// First half of the way of a call, before a byte of the request is read: is there room, and who calls. What ends here or in
/// the transport (no principal, unknown method, malformed message) is recorded here, the rest by <see cref="CallPipeline"/>.
/// </summary>
internal sealed class CallGate(
    CallRecorder recorder, CallAdmission admission, AccessRegister access, ContextDigests contexts, IStore store, RequestLedger requests,
    QuorumGate quorum, TimeProvider time, IHostApplicationLifetime lifetime, CallLog log, PersonGate? people = null,
    PlaceWatch? places = null, AccessTokens? tokens = null, BreakGlassRegister? breakGlass = null) : IMiddleware
{
    private const int MaxRecordedLength = 128;

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var metadata = context.GetEndpoint()?.Metadata;
        if (metadata?.GetMetadata<OutsideAuditAttribute>() is not null)
        {
            await next(context);
            return;
        }
        var started = recorder.Start();
        var rpc = metadata?.GetMetadata<RpcAttribute>();
        var kind = metadata?.GetMetadata<GrpcMethodMetadata>()?.Method.Type is not { } type || type == MethodType.Unary ? CallKind.Unary
            : rpc is { Listens: true } ? CallKind.Listener : CallKind.Stream;
        if (!admission.TryEnter(kind))
        {
            // Not recorded one by one: a record each would make refusing as dear as doing (docs/adr/0041).
            CallTelemetry.Overloaded();
            log.Overloaded(context.Request.Path.Value);
            TrailersOnly.Write(context.Response, Refusal.Overloaded(CallAdmission.RetryAfter).ToRpcException());
            return;
        }
        try
        {
            await AdmittedAsync(context, rpc, started, next);
        }
        finally
        {
            admission.Leave(kind);
        }
    }

    private async Task AdmittedAsync(HttpContext context, RpcAttribute? rpc, long started, RequestDelegate next)
    {
        var method = context.Request.Path.Value ?? "";
        // A method that is not ours could be any text: it is no name of a span or a series.
        var name = rpc is null ? "unknown" : method.TrimStart('/');
        using var span = CallTelemetry.Start(context, name);
        var record = new AuditRecordDraft(rpc?.AuditEvent ?? AuditEvent.UnknownMethodCalled)
        {
            TraceId = (Activity.Current?.TraceId ?? ActivityTraceId.CreateRandom()).ToHexString(),
            OnBehalfOf = Said(context, "keyservice-on-behalf-of"),
            Device = Said(context, "keyservice-device"),
        };
        try
        {
            var peer = PeerOfConnection.Of(context);
            if (tokens is not null)
                peer = await tokens.AddAsync(peer, context.Request.Headers.Authorization, record, context.RequestAborted);
            var principal = Authenticate(context, peer, record);
            places?.Note(principal.Name, peer);
            if (lifetime.ApplicationStopping.IsCancellationRequested)
                throw Refusal.ShuttingDown();
            if (rpc is null)
            {
                record.Detail = OneLine.Of(method, MaxRecordedLength);
                throw Refusal.Unimplemented(record.Detail);
            }
            // Whatever it was granted: an AI system uses keys call by call, and each item is recorded.
            if (principal.Type == PrincipalType.AiSystem && rpc.Opened != default)
                throw Refusal.AccessDenied();
            var session = people is null ? null : await people.AdmitAsync(
                principal, peer, rpc, context.Request.Headers[PersonGate.TokenHeader], record, context.RequestAborted);
            var call = new Call(
                rpc, method, principal, record, started, breakGlass?.Over(access.Decide, principal, record) ?? access.Decide, contexts, store, requests, quorum)
            {
                Credentials = peer.Credentials,
                Session = session,
                CancellationToken = context.RequestAborted,
            };
            context.Features.Set(call);
            await using var standing = people?.Watch(call, peer);
            await next(context);
            if (!call.Concluded)
                await RefuseAsync(context, record, started, TransportRefusal.Of(context.Response));
        }
        catch (Exception exception)
        {
            StatusCode? cutOff = context.RequestAborted.IsCancellationRequested ? StatusCode.Cancelled : null;
            var failure = Failure.Of(exception, record.TraceId, cutOff);
            if (failure.IsDefect)
                log.Defect(name, record.TraceId, exception);
            await RefuseAsync(context, record, started, failure);
        }
        finally
        {
            CallTelemetry.End(span, name, record, time.GetElapsedTime(started));
        }
    }

    private Principal Authenticate(HttpContext context, Peer peer, AuditRecordDraft record)
    {
        record.Source = peer.Source;
        record.Authentication = peer.Authentication;
        if (access.Find(peer.Credentials) is { } principal && time.GetUtcNow() < peer.NotAfter && IsWhomATokenNames(principal, peer))
        {
            record.Principal = principal.Name;
            record.PrincipalType = principal.Type;
            record.Automated = principal.Type != PrincipalType.Person;
            return principal;
        }
        record.Event = AuditEvent.AuthenticationRefused;
        if (peer.Credentials.Length > 0)
            record.Source = $"{peer.Source} {OneLine.Of(peer.Credentials[0].Value, MaxRecordedLength)}";
        record.Detail = OneLine.Of(context.Request.Path.Value ?? "", MaxRecordedLength);
        throw Refusal.UnknownPrincipal();
    }

    // A token that names nobody registered is no reason to take its bearer for the owner of the certificate beneath it.
    private bool IsWhomATokenNames(Principal principal, Peer peer) =>
        Array.TrueForAll(peer.Credentials, credential => credential.Kind != CredentialKind.OidcSubject || access.Find(credential)?.Name == principal.Name);

    // Metadata of a call that goes into its record as it is: the caller's word, not verified.
    private static string Said(HttpContext context, string header) =>
        context.Request.Headers.TryGetValue(header, out var value) ? OneLine.Of(value.ToString(), MaxRecordedLength) : "";

    private async Task RefuseAsync(HttpContext context, AuditRecordDraft record, long started, Failure failure)
    {
        record.Outcome = failure.Outcome;
        record.Reason = failure.ReasonName;
        log.Refused(record.Detail.Length > 0 ? record.Detail : "A call", failure.ReasonName, record.TraceId);
        var answer = failure.Answer;
        try
        {
            await recorder.RecordAsync(record, started);
        }
        catch (Refusal unrecorded)
        {
            log.NotRecorded(record.TraceId, unrecorded);
            answer = unrecorded.ToRpcException();
        }
        // What is no gRPC at all was answered by a status of HTTP.
        if (!context.Response.HasStarted && context.Response.StatusCode == StatusCodes.Status200OK)
            TrailersOnly.Write(context.Response, answer);
    }
}
