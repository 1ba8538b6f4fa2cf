using Grpc.Core;
using KeyService.Client;
using KeyService.Client.Internal;

namespace KeyService.Tests.Cli;

/// <summary>Calls are tried again while the service is unavailable: so often, for so long, and never otherwise.</summary>
public sealed class CallRunnerTests
{
    private int tries;

    [Fact]
    public async Task A_service_that_comes_back_answers_the_second_or_third_try()
    {
        Assert.Equal("answer", await Run(StatusCode.Unavailable, failures: 2));
        Assert.Equal(3, tries);
    }

    [Fact]
    public async Task A_service_that_stays_away_is_given_up_after_the_last_try()
    {
        var e = await Assert.ThrowsAsync<KeyServiceException>(() => Run(StatusCode.Unavailable, failures: 99));
        Assert.Equal(ClientReason.Unreachable, e.Reason);
        Assert.Equal(3, tries);
    }

    [Theory]
    [InlineData(StatusCode.PermissionDenied)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.InvalidArgument)]
    public async Task What_will_not_pass_by_itself_is_tried_once(StatusCode code)
    {
        await Assert.ThrowsAsync<KeyServiceException>(() => Run(code, failures: 1));
        Assert.Equal(1, tries);
    }

    [Fact]
    public async Task A_handshake_that_failed_is_not_tried_again()
    {
        var cause = new System.Net.Http.HttpRequestException("x", new System.Security.Authentication.AuthenticationException("not trusted"));
        var e = await Assert.ThrowsAsync<KeyServiceException>(() => Run(StatusCode.Unavailable, failures: 9, cause));
        Assert.Equal(ClientReason.TlsFailed, e.Reason);
        Assert.Equal(1, tries);
    }

    [Fact]
    public async Task All_tries_share_one_deadline()
    {
        var deadlines = new List<DateTime?>();
        await Assert.ThrowsAsync<KeyServiceException>(() => new CallRunner(Options()).UnaryAsync(options =>
        {
            deadlines.Add(options.Deadline);
            return Answer(new RpcException(new Status(StatusCode.Unavailable, "")));
        }, default));
        Assert.Equal(3, deadlines.Count);
        Assert.Single(deadlines.Distinct());
    }

    [Fact]
    public async Task A_caller_who_has_gone_is_not_kept_waiting()
    {
        using var source = new CancellationTokenSource();
        var call = new CallRunner(Options()).UnaryAsync(_ =>
        {
            tries++;
            source.Cancel();
            return Answer(new RpcException(new Status(StatusCode.Cancelled, "")));
        }, source.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal(1, tries);
    }

    private static ClientOptions Options() => new() { Endpoint = "unix:/x", TimeProvider = new HastyTime() };

    private Task<string> Run(StatusCode code, int failures, Exception? cause = null) => new CallRunner(Options()).UnaryAsync(
        _ => Answer(tries++ < failures ? new RpcException(new Status(code, "", cause)) : null), default);

    private static AsyncUnaryCall<string> Answer(RpcException? failure) => new(
        failure is null ? Task.FromResult("answer") : Task.FromException<string>(failure),
        Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });

    /// <summary>A clock whose pauses are over at once.</summary>
    private sealed class HastyTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, dueTime == Timeout.InfiniteTimeSpan ? dueTime : TimeSpan.Zero, period);
    }
}
