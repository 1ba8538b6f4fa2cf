using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>
/// The calls of <c>keyservice.v1.Sessions</c>: second factors and sessions of people. A code is 6 ASCII digits, good once. A client that was connected with
/// a session's token (<see cref="ClientOptions.SessionToken"/>) sends it with each call.
/// </summary>
public sealed class SessionCalls
{
    private const string Service = "keyservice.v1.Sessions";

    private static readonly Method<OfferSecondFactorRequest, OfferSecondFactorResponse> Offer =
        SecretMethod.Create(Service, "OfferSecondFactor", OfferSecondFactorRequest.Parser, OfferSecondFactorResponse.Parser);

    private static readonly Method<ActivateSecondFactorRequest, ActivateSecondFactorResponse> Activate =
        SecretMethod.Create(Service, "ActivateSecondFactor", ActivateSecondFactorRequest.Parser, ActivateSecondFactorResponse.Parser);

    private static readonly Method<OpenSessionRequest, OpenSessionResponse> Open =
        SecretMethod.Create(Service, "OpenSession", OpenSessionRequest.Parser, OpenSessionResponse.Parser);

    private readonly CallInvoker invoker;
    private readonly Sessions.SessionsClient sessions;
    private readonly CallRunner runner;

    internal SessionCalls(CallInvoker invoker, CallRunner runner)
    {
        this.invoker = invoker;
        sessions = new Sessions.SessionsClient(invoker);
        this.runner = runner;
    }

    /// <summary>A seed for the caller's authenticator application, shown this once.</summary>
    public async Task<OfferedSecondFactor> OfferSecondFactorAsync(CancellationToken cancellation = default)
    {
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(Offer, null, o, new OfferSecondFactorRequest()), cancellation).ConfigureAwait(false);
        return new OfferedSecondFactor(SecretBytes.Take(answer.Seed, OneTimePassword.SeedLength), answer.Issuer, answer.Account);
    }

    /// <summary>The first right code of the seed that was offered; opens the first session.</summary>
    public async Task<OpenedSession> ActivateSecondFactorAsync(ReadOnlyMemory<byte> code, CancellationToken cancellation = default)
    {
        var request = new ActivateSecondFactorRequest { Code = ByteString.CopyFrom(code.Span) };
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(Activate, null, o, request), cancellation).ConfigureAwait(false);
        return new OpenedSession(SecretBytes.Take(answer.Token, OpenedSession.TokenLength), answer.Session);
    }

    /// <summary>Opens a session.</summary>
    public async Task<OpenedSession> OpenAsync(ReadOnlyMemory<byte> code, CancellationToken cancellation = default)
    {
        var request = new OpenSessionRequest { Code = ByteString.CopyFrom(code.Span) };
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(Open, null, o, request), cancellation).ConfigureAwait(false);
        return new OpenedSession(SecretBytes.Take(answer.Token, OpenedSession.TokenLength), answer.Session);
    }

    /// <summary>A fresh code for the session of this client: for 5 minutes it may do what asks for one.</summary>
    public async Task<Session> ConfirmAsync(ReadOnlyMemory<byte> code, CancellationToken cancellation = default)
    {
        var request = new ConfirmSessionRequest { Code = ByteString.CopyFrom(code.Span) };
        return (await runner.UnaryAsync(o => sessions.ConfirmSessionAsync(request, o), cancellation).ConfigureAwait(false)).Session;
    }

    /// <summary>Ends the session of this client.</summary>
    public Task CloseAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => sessions.CloseSessionAsync(new CloseSessionRequest(), o), cancellation);

    /// <summary>The session of this client.</summary>
    public async Task<Session> GetOwnAsync(CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => sessions.GetOwnSessionAsync(new GetOwnSessionRequest(), o), cancellation).ConfigureAwait(false)).Session;

    /// <summary>Open sessions, at most 1,000.</summary>
    /// <param name="principal">Empty for everybody's.</param>
    /// <param name="cancellation">Ends the call.</param>
    public async Task<IReadOnlyList<Session>> ListAsync(string principal = "", CancellationToken cancellation = default)
    {
        var request = new ListSessionsRequest { Principal = principal };
        return (await runner.UnaryAsync(o => sessions.ListSessionsAsync(request, o), cancellation).ConfigureAwait(false)).Sessions;
    }

    /// <summary>Ends somebody's session.</summary>
    public Task EndAsync(string id, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new EndSessionRequest { RequestId = RequestId.OrNew(requestId), Id = id };
        return runner.UnaryAsync(o => sessions.EndSessionAsync(request, o), cancellation);
    }

    /// <summary>State of every person's second factor.</summary>
    public async Task<IReadOnlyList<SecondFactor>> ListSecondFactorsAsync(CancellationToken cancellation = default) =>
        (await runner.UnaryAsync(o => sessions.ListSecondFactorsAsync(new ListSecondFactorsRequest(), o), cancellation).ConfigureAwait(false)).SecondFactors;

    /// <summary>Unlocks another person.</summary>
    public async Task<SecondFactor> UnlockAsync(string principal, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new UnlockPersonRequest { RequestId = RequestId.OrNew(requestId), Principal = principal };
        return (await runner.UnaryAsync(o => sessions.UnlockPersonAsync(request, o), cancellation).ConfigureAwait(false)).SecondFactor;
    }

    /// <summary>Asks for a lost second factor to be taken away, or confirms what another officer asked.</summary>
    public async Task<SecondFactor> ResetSecondFactorAsync(string principal, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ResetSecondFactorRequest { RequestId = RequestId.OrNew(requestId), Principal = principal };
        return (await runner.UnaryAsync(o => sessions.ResetSecondFactorAsync(request, o), cancellation).ConfigureAwait(false)).SecondFactor;
    }
}

/// <summary>A seed that was offered: for the authenticator application, and then to be forgotten.</summary>
public sealed class OfferedSecondFactor : IDisposable
{
    internal OfferedSecondFactor(SecretBuffer seed, string issuer, string account)
    {
        Seed = seed;
        Issuer = issuer;
        Account = account;
    }

    /// <summary>20 bytes.</summary>
    public SecretBuffer Seed { get; }

    /// <summary>Names the installation in the application's list.</summary>
    public string Issuer { get; }

    /// <summary>Names the person there.</summary>
    public string Account { get; }

    /// <summary>Zeroes the seed.</summary>
    public void Dispose() => Seed.Dispose();
}

/// <summary>A session that was opened, with its token.</summary>
public sealed class OpenedSession : IDisposable
{
    internal const int TokenLength = 32;

    internal OpenedSession(SecretBuffer token, Session session)
    {
        Token = token;
        Session = session;
    }

    /// <summary>32 bytes, for <see cref="ClientOptions.SessionToken"/>.</summary>
    public SecretBuffer Token { get; }

    /// <summary>What it is.</summary>
    public Session Session { get; }

    /// <summary>Zeroes the token.</summary>
    public void Dispose() => Token.Dispose();
}
