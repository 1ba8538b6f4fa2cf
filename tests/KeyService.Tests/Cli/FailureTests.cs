using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Client.Internal;
using KeyService.Crypto.Archives;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Cli;

public sealed class FailureTests
{
    public static TheoryData<string> Reasons => new(ReasonReflection.Descriptor.EnumTypes.Single(type => type.Name == nameof(Reason)).Values
        .Where(value => value.Number != 0).Select(value => value.Name["REASON_".Length..]));

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Every_reason_of_the_service_has_its_own_advice(string reason) => Assert.NotEqual(ReasonAdvice.Of("NO_SUCH_REASON"), ReasonAdvice.Of(reason));

    [Theory]
    [InlineData("ACCESS_DENIED", 3)]
    [InlineData("UNKNOWN_PRINCIPAL", 3)]
    [InlineData("SEPARATION_OF_DUTIES", 3)]
    [InlineData("DECRYPTION_FAILED", 4)]
    [InlineData("HSM_UNAVAILABLE", 5)]
    [InlineData("UNREACHABLE", 5)]
    [InlineData("TLS_FAILED", 5)]
    [InlineData("NOT_FOUND", 6)]
    [InlineData("ALREADY_EXISTS", 6)]
    [InlineData("INVALID_ARGUMENT", 2)]
    [InlineData("CONFIGURATION", 2)]
    [InlineData("INTERNAL", 1)]
    [InlineData("SOMETHING_NEW", 1)]
    public void A_reason_has_one_exit_code(string reason, int code) =>
        Assert.Equal(code, Failure.Of(new KeyServiceException(reason, "m", "a")).ExitCode);

    [Fact]
    public void Every_fault_of_an_archive_has_a_reason_and_a_code()
    {
        foreach (var fault in System.Enum.GetValues<ArchiveFault>())
        {
            var failure = Failure.Of(new ArchiveException(fault, "m"));
            Assert.Equal(fault is ArchiveFault.TooLong or ArchiveFault.HeaderChanged ? 1 : 4, failure.ExitCode);
            Assert.NotEqual("", failure.Advice);
        }
    }

    [Fact]
    public void A_defect_does_not_show_its_text() =>
        Assert.DoesNotContain("hunter2", Failure.Of(new InvalidOperationException("hunter2")).Message, StringComparison.Ordinal);

    [Fact]
    public void Rich_errors_become_reason_message_and_time_to_wait()
    {
        var status = new Google.Rpc.Status { Code = 8, Message = "Too much." };
        status.Details.Add(Any.Pack(new ErrorInfo { Domain = "keyservice.v1", Reason = "OVERLOADED" }));
        status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromSeconds(2)) }));
        var e = Decode(StatusCode.ResourceExhausted, "Too much.", status.ToByteArray());
        Assert.Equal(("OVERLOADED", "Too much.", TimeSpan.FromSeconds(2)), (e.Reason, e.Message, e.RetryAfter));
    }

    [Fact]
    public void Details_of_another_domain_or_that_are_broken_are_none()
    {
        var status = new Google.Rpc.Status { Code = 5, Message = "x" };
        status.Details.Add(Any.Pack(new ErrorInfo { Domain = "example.com", Reason = "ACCESS_DENIED" }));
        Assert.Equal(ClientReason.Protocol, Decode(StatusCode.NotFound, "x", status.ToByteArray()).Reason);
        Assert.Equal(ClientReason.Protocol, Decode(StatusCode.NotFound, "x", [0xff, 0xff, 0xff]).Reason);
    }

    [Fact]
    public void A_deadline_and_a_missing_method_are_told_apart()
    {
        Assert.Equal(ClientReason.DeadlineExceeded, Decode(StatusCode.DeadlineExceeded, "").Reason);
        Assert.Equal("UNIMPLEMENTED", Decode(StatusCode.Unimplemented, "").Reason);
    }

    [Fact]
    public void A_cancelled_call_is_a_cancellation_and_no_error_of_the_service()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.IsAssignableFrom<OperationCanceledException>(
            FaultDecoder.Decode(new RpcException(new global::Grpc.Core.Status(StatusCode.Cancelled, "")), "https://x", source.Token));
    }

    private static KeyServiceException Decode(StatusCode code, string message, byte[]? details = null)
    {
        var trailers = new Metadata();
        if (details is not null)
        {
            trailers.Add("grpc-status-details-bin", details);
        }
        return Assert.IsType<KeyServiceException>(FaultDecoder.Decode(new RpcException(new global::Grpc.Core.Status(code, message), trailers), "https://x", default));
    }
}
