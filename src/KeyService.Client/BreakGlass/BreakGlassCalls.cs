using Google.Protobuf;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.BreakGlass</c>: emergency access.</summary>
public sealed class BreakGlassCalls
{
    private static readonly Method<SealBreakGlassRequest, SealBreakGlassResponse> Seal =
        SecretMethod.Create("keyservice.v1.BreakGlass", "SealBreakGlass", SealBreakGlassRequest.Parser, SealBreakGlassResponse.Parser);

    private readonly CallInvoker invoker;
    private readonly BreakGlass.BreakGlassClient calls;
    private readonly CallRunner runner;

    internal BreakGlassCalls(CallInvoker invoker, CallRunner runner)
    {
        this.invoker = invoker;
        calls = new BreakGlass.BreakGlassClient(invoker);
        this.runner = runner;
    }

    /// <summary>Asks; a second person confirms.</summary>
    public async Task<BreakGlassUse> AskAsync(string reason, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new AskBreakGlassRequest { RequestId = RequestId.OrNew(requestId), Reason = reason };
        return (await runner.UnaryAsync(o => calls.AskBreakGlassAsync(request, o), cancellation).ConfigureAwait(false)).Use;
    }

    /// <summary>Confirms what another person asked: it is open.</summary>
    public async Task<BreakGlassUse> ConfirmAsync(string id, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ConfirmBreakGlassRequest { RequestId = RequestId.OrNew(requestId), Id = id };
        return (await runner.UnaryAsync(o => calls.ConfirmBreakGlassAsync(request, o), cancellation).ConfigureAwait(false)).Use;
    }

    /// <summary>Opens with the codes of both envelopes.</summary>
    public async Task<BreakGlassUse> OpenSealedAsync(
        string reason, ReadOnlyMemory<byte> firstCode, ReadOnlyMemory<byte> secondCode, CancellationToken cancellation = default)
    {
        var request = new OpenSealedBreakGlassRequest { Reason = reason, FirstCode = ByteString.CopyFrom(firstCode.Span), SecondCode = ByteString.CopyFrom(secondCode.Span) };
        return (await runner.UnaryAsync(o => calls.OpenSealedBreakGlassAsync(request, o), cancellation).ConfigureAwait(false)).Use;
    }

    /// <summary>Ends one's own before its time.</summary>
    public async Task<BreakGlassUse> EndAsync(string id, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new EndBreakGlassRequest { RequestId = RequestId.OrNew(requestId), Id = id };
        return (await runner.UnaryAsync(o => calls.EndBreakGlassAsync(request, o), cancellation).ConfigureAwait(false)).Use;
    }

    /// <summary>Says whether it was justified.</summary>
    public async Task<BreakGlassUse> ReviewAsync(
        string id, BreakGlassVerdict verdict, string note, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new ReviewBreakGlassRequest { RequestId = RequestId.OrNew(requestId), Id = id, Verdict = verdict, Note = note };
        return (await runner.UnaryAsync(o => calls.ReviewBreakGlassAsync(request, o), cancellation).ConfigureAwait(false)).Use;
    }

    /// <summary>Every use there was, and when the envelopes were made.</summary>
    public Task<ListBreakGlassResponse> ListAsync(CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => calls.ListBreakGlassAsync(new ListBreakGlassRequest(), o), cancellation);

    /// <summary>Makes two codes for two envelopes; those before open nothing any more.</summary>
    public async Task<SealedCodes> SealAsync(CancellationToken cancellation = default)
    {
        var answer = await runner.UnaryAsync(o => invoker.AsyncUnaryCall(Seal, null, o, new SealBreakGlassRequest()), cancellation).ConfigureAwait(false);
        return new SealedCodes(SecretBytes.Take(answer.FirstCode, SealedCodes.Length), SecretBytes.Take(answer.SecondCode, SealedCodes.Length));
    }
}

/// <summary>Two codes for two envelopes, each 26 ASCII letters: to be printed, and then forgotten.</summary>
public sealed class SealedCodes : IDisposable
{
    internal const int Length = 26;

    internal SealedCodes(SecretBuffer first, SecretBuffer second)
    {
        First = first;
        Second = second;
    }

    /// <summary>For the first holder.</summary>
    public SecretBuffer First { get; }

    /// <summary>For the second holder.</summary>
    public SecretBuffer Second { get; }

    /// <summary>Zeroes both.</summary>
    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }
}
