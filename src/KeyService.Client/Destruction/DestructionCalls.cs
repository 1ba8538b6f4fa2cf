using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Destructions</c>: key versions that are to be destroyed, up to the approval of a quorum.</summary>
public sealed class DestructionCalls
{
    private readonly Destructions.DestructionsClient destructions;
    private readonly CallRunner runner;

    internal DestructionCalls(CallInvoker invoker, CallRunner runner)
    {
        destructions = new Destructions.DestructionsClient(invoker);
        this.runner = runner;
    }

    /// <summary>Begins the waiting period of a destruction. STILL_NEEDED names what needs a version.</summary>
    /// <param name="key">Name of the key.</param>
    /// <param name="keyVersions">Its versions; empty is every version that it has.</param>
    /// <param name="wait">7 to 30 days.</param>
    /// <param name="reason">Why; 1 to 512 characters.</param>
    /// <param name="requestId">UUID; a new one when null.</param>
    /// <param name="cancellation">Ends the call.</param>
    public async Task<Destruction> ScheduleAsync(
        string key, IReadOnlyCollection<string> keyVersions, TimeSpan wait, string reason, string? requestId = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keyVersions);
        var request = new ScheduleDestructionRequest
        {
            RequestId = RequestId.OrNew(requestId), Key = key, WholeKey = keyVersions.Count == 0, Wait = Duration.FromTimeSpan(wait), Reason = reason,
        };
        request.KeyVersions.AddRange(keyVersions);
        return (await runner.UnaryAsync(o => destructions.ScheduleDestructionAsync(request, o), cancellation).ConfigureAwait(false)).Destruction;
    }

    /// <summary>Ends a destruction that was not approved yet.</summary>
    public async Task<Destruction> CancelAsync(string id, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new CancelDestructionRequest { RequestId = RequestId.OrNew(requestId), Id = id };
        return (await runner.UnaryAsync(o => destructions.CancelDestructionAsync(request, o), cancellation).ConfigureAwait(false)).Destruction;
    }

    /// <summary>
    /// Destroys the versions of a destruction that stands as pending approval. PENDING_APPROVAL until a quorum of officers approved; the same request again
    /// then does it.
    /// </summary>
    /// <param name="destruction">What is destroyed: its id, key and versions are said again, so that officers approve those.</param>
    /// <param name="requestId">UUID; a new one when null.</param>
    /// <param name="cancellation">Ends the call.</param>
    public Task<CompleteDestructionResponse> CompleteAsync(Destruction destruction, string? requestId = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(destruction);
        var request = new CompleteDestructionRequest { RequestId = RequestId.OrNew(requestId), Id = destruction.Id, Key = destruction.Key };
        request.KeyVersions.AddRange(destruction.KeyVersions);
        return runner.UnaryAsync(o => destructions.CompleteDestructionAsync(request, o), cancellation);
    }

    /// <summary>A destruction with its certificate, as of the last scan.</summary>
    public Task<GetDestructionResponse> GetAsync(string id, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => destructions.GetDestructionAsync(new GetDestructionRequest { Id = id }, o), cancellation);

    /// <summary>Destructions, page by page.</summary>
    public IAsyncEnumerable<Destruction> ListAsync(CancellationToken cancellation = default) =>
        Pages.ItemsAsync(
            runner, (token, o) => destructions.ListDestructionsAsync(new ListDestructionsRequest { PageSize = Pages.Size, PageToken = token }, o),
            page => page.Destructions, page => page.NextPageToken, cancellation);
}
