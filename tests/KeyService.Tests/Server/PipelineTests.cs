using Google.Rpc;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using AuditOutcome = KeyService.Crypto.AuditOutcome;
using Reason = KeyService.Protocol.V1.Reason;
using RpcStatus = Google.Rpc.Status;

namespace KeyService.Tests.Server;

public sealed class PipelineTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task An_answer_waits_until_its_record_is_durable()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        host.Store.Hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var call = Unary(host, [1]);

        await Task.WhenAny(call.ResponseAsync, Task.Delay(200));
        Assert.False(call.ResponseAsync.IsCompleted);

        host.Store.Hold.SetResult();
        Assert.Equal([1], await call.ResponseAsync.WaitAsync(Patience));
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditEvent.OwnAccessRead, AuditOutcome.Success, "me", "unix-uid"),
            (record.Event, record.Outcome, record.Principal, record.Authentication));
        Assert.Equal(32, record.TraceId.Length);
    }

    [Fact]
    public async Task Nothing_is_answered_when_the_record_cannot_be_made_durable()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        host.Store.Fails = true;
        await RefusedAsync(Unary(host, [1]), StatusCode.Unavailable, Reason.AuditUnavailable);
        host.Store.Fails = false;
        Assert.Equal([1], await Unary(host, [1]));
    }

    [Fact]
    public async Task An_implementation_that_never_asked_for_permission_is_not_answered()
    {
        var (host, behaviour) = await StartAsync();
        await using var _1 = host;
        behaviour.Authorizes = false;
        var refusal = await RefusedAsync(Unary(host, [1]), StatusCode.Internal, Reason.Internal);
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditOutcome.Failed, "INTERNAL"), (record.Outcome, record.Reason));
        Assert.Contains(record.TraceId, refusal.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("without having asked for permission", host.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_defect_is_answered_with_its_trace_id_and_nothing_else()
    {
        var (host, behaviour) = await StartAsync();
        await using var _1 = host;
        behaviour.OnUnary = (_, _) => throw new InvalidOperationException("row 17 of the secret table");
        var refusal = await RefusedAsync(Unary(host, [1]), StatusCode.Internal, Reason.Internal);
        Assert.DoesNotContain("secret table", refusal.ToString(), StringComparison.Ordinal);
        Assert.Contains("secret table", host.Log.Text, StringComparison.Ordinal);
        Assert.Contains(Assert.Single(host.Store.Records).TraceId, refusal.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_carries_its_details_and_is_recorded()
    {
        var (host, behaviour) = await StartAsync();
        await using var _1 = host;
        behaviour.OnUnary = (_, _) => throw Refusal.InvalidArgument("items[3].plaintext", "is larger than 1 MiB – ä");
        var refusal = await RefusedAsync(Unary(host, [1]), StatusCode.InvalidArgument, Reason.InvalidArgument);
        Assert.Equal("items[3].plaintext: is larger than 1 MiB – ä.", refusal.Status.Detail);
        var violation = Assert.Single(Detail<BadRequest>(refusal)!.FieldViolations);
        Assert.Equal(("items[3].plaintext", "is larger than 1 MiB – ä"), (violation.Field, violation.Description));
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditOutcome.Refused, "INVALID_ARGUMENT"), (record.Outcome, record.Reason));
    }

    [Fact]
    public async Task A_message_that_cannot_be_read_is_recorded_too()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        await RefusedAsync(Unary(host, [0xFF, 1]), StatusCode.InvalidArgument, Reason.InvalidArgument);
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditEvent.OwnAccessRead, AuditOutcome.Refused, "me"), (record.Event, record.Outcome, record.Principal));
    }

    [Fact]
    public async Task A_call_that_is_no_gRPC_gets_a_status_of_HTTP_and_is_recorded()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://localhost/pipeline.test.Probe/Unary")
        {
            Version = System.Net.HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent("{}", System.Text.Encoding.UTF8, "application/json"),
        };
        using var http = host.NewHttpClient();
        using var response = await http.SendAsync(request);
        Assert.Equal(System.Net.HttpStatusCode.UnsupportedMediaType, response.StatusCode);
        Assert.Equal(AuditOutcome.Refused, Assert.Single(host.Store.Records).Outcome);
    }

    [Fact]
    public async Task A_message_over_the_limit_is_refused_and_recorded()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        await RefusedAsync(Unary(host, new byte[4 * 1024 * 1024 + 1]), StatusCode.InvalidArgument, Reason.BatchTooLarge);
        Assert.Equal("BATCH_TOO_LARGE", Assert.Single(host.Store.Records).Reason);
    }

    [Fact]
    public async Task A_caller_whom_nobody_registered_is_refused_and_recorded()
    {
        var stranger = PipelineHost.Myself with { Credential = new Credential(CredentialKind.UnixUid, "4242424") };
        var (host, _) = await StartAsync(caller: stranger);
        await using var _1 = host;
        await RefusedAsync(Unary(host, [1]), StatusCode.Unauthenticated, Reason.UnknownPrincipal);
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditEvent.AuthenticationRefused, AuditOutcome.Refused, ""), (record.Event, record.Outcome, record.Principal));
        Assert.Contains(PipelineHost.Myself.Credential.Value, record.Source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whom_a_caller_acts_for_is_recorded_as_one_line_of_its_word()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        await Unary(host, [1],
            new CallOptions(new Metadata { { "keyservice-on-behalf-of", "dr.who" }, { "keyservice-device", new string('x', 500) } }));
        var record = Assert.Single(host.Store.Records);
        Assert.Equal(("dr.who", 128), (record.OnBehalfOf, record.Device.Length));
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(-1, false)]
    public async Task A_connection_does_not_outlive_its_certificate(int hoursLeft, bool answered)
    {
        await using var host = await PipelineHost.StartAsync(
            endpoints => endpoints.MapRpc<ProbeService>(), notAfter: TimeProvider.System.GetUtcNow().AddHours(hoursLeft));
        if (answered)
            Assert.Equal([1], await Unary(host, [1]));
        else
            await RefusedAsync(Unary(host, [1]), StatusCode.Unauthenticated, Reason.UnknownPrincipal);
    }

    [Fact]
    public async Task A_disabled_principal_is_refused_on_its_open_connection()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        await Unary(host, [1]);
        host.Access.Apply(PipelineHost.Myself with { Disabled = true, Revision = 2 });
        await RefusedAsync(Unary(host, [1]), StatusCode.Unauthenticated, Reason.UnknownPrincipal);
    }

    [Fact]
    public async Task A_method_that_is_not_there_is_refused_and_recorded()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        var unknown = new Method<byte[], byte[]>(MethodType.Unary, ProbeContract.Name, "Nothing",
            ProbeContract.UnaryMethod.RequestMarshaller, ProbeContract.UnaryMethod.ResponseMarshaller);
        using var call = host.Channel.CreateCallInvoker().AsyncUnaryCall(unknown, null, default, [1]);
        await RefusedAsync(call, StatusCode.Unimplemented, Reason.Unimplemented);
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditEvent.UnknownMethodCalled, "/pipeline.test.Probe/Nothing"), (record.Event, record.Detail));
    }

    [Fact]
    public async Task A_call_beyond_the_places_is_told_when_to_come_again()
    {
        var (host, behaviour) = await StartAsync(new LimitsConfiguration { ConcurrentCalls = 1 });
        await using var _1 = host;
        var entered = new TaskCompletionSource();
        var leave = new TaskCompletionSource();
        behaviour.OnUnary = async (_, request) =>
        {
            entered.TrySetResult();
            await leave.Task;
            return request;
        };
        using var first = Unary(host, [1]);
        await entered.Task.WaitAsync(Patience);
        var refusal = await RefusedAsync(Unary(host, [2]), StatusCode.ResourceExhausted, Reason.Overloaded);
        Assert.True(Detail<RetryInfo>(refusal)!.RetryDelay.ToTimeSpan() > TimeSpan.Zero);
        leave.SetResult();
        Assert.Equal([1], await first);
        Assert.Equal([3], await Unary(host, [3]));
    }

    /// <summary>A client whose deadline passes resets the call as one that cancels does; the record tells the two apart by the server's clock.</summary>
    [Theory]
    [InlineData(2, "DEADLINE_EXCEEDED")]
    [InlineData(0, "CANCELLED")]
    public async Task A_call_that_is_cut_off_is_recorded_by_whether_its_deadline_has_passed(int hoursPassed, string reason)
    {
        var time = new ShiftedTime();
        var (host, behaviour) = await StartAsync(time: time);
        await using var _1 = host;
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        behaviour.OnUnary = async (call, request) =>
        {
            entered.SetResult();
            await Task.Delay(Timeout.Infinite, call.CancellationToken);
            return request;
        };
        using var reset = new CancellationTokenSource();
        using var call = Unary(host, [1], new CallOptions(deadline: DateTime.UtcNow.AddHours(1), cancellationToken: reset.Token));
        await entered.Task.WaitAsync(Patience);
        time.Passed = TimeSpan.FromHours(hoursPassed);
        await reset.CancelAsync();
        await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        await EventuallyAsync(() => host.Store.Records.Count == 1);
        Assert.Equal((AuditOutcome.Failed, reason), (host.Store.Records[0].Outcome, host.Store.Records[0].Reason));
    }

    [Fact]
    public async Task A_stream_stands_opened_in_the_log_before_its_first_answer()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        host.Store.Hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var call = host.Channel.CreateCallInvoker().AsyncServerStreamingCall(ProbeContract.CountMethod, null, default, [3]);
        var first = call.ResponseStream.MoveNext();
        await Task.WhenAny(first, Task.Delay(200));
        Assert.False(first.IsCompleted);
        host.Store.Hold.SetResult();
        Assert.True(await first.WaitAsync(Patience));
        Assert.Equal(AuditEvent.AuditTailOpened, host.Store.Records[0].Event);
        while (await call.ResponseStream.MoveNext())
        {
        }
        Assert.Equal(2, host.Store.Records.Count);
        var closed = host.Store.Records[1];
        Assert.Equal((AuditEvent.AuditTailClosed, AuditOutcome.Success, 3, "opened=0/0"),
            (closed.Event, closed.Outcome, closed.ItemCount, closed.Detail));
    }

    [Fact]
    public async Task A_stream_whose_opening_cannot_be_recorded_answers_nothing()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        host.Store.Fails = true;
        using var call = host.Channel.CreateCallInvoker().AsyncServerStreamingCall(ProbeContract.CountMethod, null, default, [3]);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.Unavailable, refusal.StatusCode);
        Assert.Equal("AUDIT_UNAVAILABLE", Detail<ErrorInfo>(refusal)!.Reason);
    }

    [Fact]
    public async Task A_stream_that_never_asked_for_permission_answers_nothing()
    {
        var (host, behaviour) = await StartAsync();
        await using var _1 = host;
        behaviour.Authorizes = false;
        using var call = host.Channel.CreateCallInvoker().AsyncServerStreamingCall(ProbeContract.CountMethod, null, default, [3]);
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.Internal, refusal.StatusCode);
        Assert.Equal(AuditOutcome.Failed, Assert.Single(host.Store.Records).Outcome);
    }

    [Fact]
    public async Task A_stream_without_a_grant_is_refused_before_anything_is_read_back()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        using var call = host.Channel.CreateCallInvoker().AsyncDuplexStreamingCall(ProbeContract.DuplexMethod, null, default);
        // The refusal may be there before the write has come back; then that is refused too.
        await Record.ExceptionAsync(() => call.RequestStream.WriteAsync([1]));
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.PermissionDenied, refusal.StatusCode);
        var record = Assert.Single(host.Store.Records);
        Assert.Equal((AuditEvent.EncryptStreamClosed, "ACCESS_DENIED", "ehr/one"), (record.Event, record.Reason, record.Key));
    }

    [Fact]
    public async Task A_cancelled_stream_is_closed_in_the_log()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        using (var call = host.Channel.CreateCallInvoker().AsyncServerStreamingCall(ProbeContract.CountMethod, null, default, [1, 0]))
        {
            Assert.True(await call.ResponseStream.MoveNext());
        }
        await EventuallyAsync(() => host.Store.Records.Count == 2);
        Assert.Equal((AuditEvent.AuditTailClosed, "CANCELLED"), (host.Store.Records[1].Event, host.Store.Records[1].Reason));
    }

    [Fact]
    public async Task A_stream_that_is_silent_too_long_is_ended()
    {
        var (host, _) = await StartAsync(new LimitsConfiguration { StreamIdleSeconds = 1 });
        await using var _1 = host;
        Grant(host);
        using var call = host.Channel.CreateCallInvoker().AsyncDuplexStreamingCall(ProbeContract.DuplexMethod, null, default);
        await call.RequestStream.WriteAsync([1]);
        Assert.True(await call.ResponseStream.MoveNext());
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(Patience));
        Assert.Equal((StatusCode.DeadlineExceeded, "STREAM_IDLE"), (refusal.StatusCode, Detail<ErrorInfo>(refusal)!.Reason));
        Assert.Equal("STREAM_IDLE", host.Store.Records[^1].Reason);
    }

    [Fact]
    public async Task A_client_stream_is_one_record()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        using var call = host.Channel.CreateCallInvoker().AsyncClientStreamingCall(ProbeContract.CollectMethod, null, default);
        await call.RequestStream.WriteAsync([1]);
        await call.RequestStream.WriteAsync([2]);
        await call.RequestStream.CompleteAsync();
        Assert.Equal([1, 2], await call);
        Assert.Equal(AuditOutcome.Success, Assert.Single(host.Store.Records).Outcome);
    }

    [Fact]
    public async Task A_follower_is_let_go_when_the_server_stops()
    {
        var (host, _) = await StartAsync();
        await using var _1 = host;
        using var call = host.Channel.CreateCallInvoker().AsyncServerStreamingCall(ProbeContract.CountMethod, null, default, [1, 0]);
        Assert.True(await call.ResponseStream.MoveNext());
        var stop = host.StopAsync();
        var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().WaitAsync(Patience));
        Assert.Equal("SHUTTING_DOWN", Detail<ErrorInfo>(refusal)!.Reason);
        await stop.WaitAsync(Patience);
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_fault_below_is_answered_with_its_reason(Exception fault, StatusCode code, Reason reason)
    {
        var (host, behaviour) = await StartAsync();
        await using var _1 = host;
        behaviour.OnUnary = (_, _) => throw fault;
        await RefusedAsync(Unary(host, [1]), code, reason);
        Assert.Equal(RefusalStatus.NameOf(reason), Assert.Single(host.Store.Records).Reason);
    }

    public static TheoryData<Exception, StatusCode, Reason> Faults() => new()
    {
        { new StoreUnavailableException("gone"), StatusCode.Unavailable, Reason.StoreUnavailable },
        { new StoreTamperedException("keys", "x", "no"), StatusCode.DataLoss, Reason.StoreTampered },
        { new HsmException(HsmFault.Unavailable, "gone"), StatusCode.Unavailable, Reason.HsmUnavailable },
        { new HsmException(HsmFault.IntegrityFailure, "changed"), StatusCode.DataLoss, Reason.StoreTampered },
        { new HsmException(HsmFault.MechanismMissing, "a defect"), StatusCode.Internal, Reason.Internal },
        { new StoreOverloadedException(TimeSpan.FromMilliseconds(100)), StatusCode.ResourceExhausted, Reason.Overloaded },
        { new InvalidContextException("A key stands there twice."), StatusCode.InvalidArgument, Reason.InvalidContext },
    };

    private static async Task<(PipelineHost Host, ProbeBehaviour Behaviour)> StartAsync(
        LimitsConfiguration? limits = null, Principal? caller = null, TimeProvider? time = null)
    {
        var behaviour = new ProbeBehaviour();
        var host = await PipelineHost.StartAsync(endpoints => endpoints.MapRpc<ProbeService>(), limits, caller, behaviour: behaviour, time: time);
        return (host, behaviour);
    }

    private static void Grant(PipelineHost host) => host.Access.Apply(new Grant
    {
        Id = 1,
        Principal = "me",
        Permissions = [Permission.Encrypt],
        KeyPattern = KeyPattern.All,
        ContextConstraint = EncryptionContext.Empty,
        ExpireTime = null,
        CreateTime = DateTimeOffset.UnixEpoch,
        Revoked = false,
        Revision = 1,
    });

    private static AsyncUnaryCall<byte[]> Unary(PipelineHost host, byte[] request, CallOptions options = default) =>
        host.Channel.CreateCallInvoker().AsyncUnaryCall(ProbeContract.UnaryMethod, null, options, request);

    private static async Task<RpcException> RefusedAsync(AsyncUnaryCall<byte[]> call, StatusCode code, Reason reason)
    {
        using (call)
        {
            var refusal = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.WaitAsync(Patience));
            Assert.Equal(code, refusal.StatusCode);
            var info = Detail<ErrorInfo>(refusal);
            Assert.Equal((Refusal.Domain, RefusalStatus.NameOf(reason)), (info!.Domain, info.Reason));
            return refusal;
        }
    }

    private static T? Detail<T>(RpcException refusal) where T : class, Google.Protobuf.IMessage<T>, new()
    {
        var bytes = refusal.Trailers.GetValueBytes("grpc-status-details-bin");
        Assert.NotNull(bytes);
        var status = RpcStatus.Parser.ParseFrom(bytes);
        Assert.Equal((int)refusal.StatusCode, status.Code);
        return status.Details.FirstOrDefault(any => any.Is(new T().Descriptor))?.Unpack<T>();
    }

    private static async Task EventuallyAsync(Func<bool> holds)
    {
        for (var tries = 0; !holds(); tries++)
        {
            Assert.True(tries < 3000, "It did not come about.");
            await Task.Delay(10);
        }
    }

    /// <summary>The machine's clock, set forward by a test.</summary>
    private sealed class ShiftedTime : TimeProvider
    {
        public TimeSpan Passed { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Passed;
    }
}
