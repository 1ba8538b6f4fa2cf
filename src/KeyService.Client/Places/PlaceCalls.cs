using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Client.Internal;
using KeyService.Protocol.V1;

namespace KeyService.Client;

/// <summary>The calls of <c>keyservice.v1.Places</c>: from where credentials are used.</summary>
public sealed class PlaceCalls
{
    private readonly Places.PlacesClient places;
    private readonly CallRunner runner;

    internal PlaceCalls(CallInvoker invoker, CallRunner runner)
    {
        places = new Places.PlacesClient(invoker);
        this.runner = runner;
    }

    /// <summary>Watches from how many places a principal's credential is used; replaces the policy before.</summary>
    /// <param name="principal">Its name.</param>
    /// <param name="most">Places within the window, 1 to 1,000; 0 ends the watch.</param>
    /// <param name="window">1 minute to 31 days; null is 24 hours.</param>
    /// <param name="ipv4Prefix">Bits that make a place, 8 to 32; 0 is 24.</param>
    /// <param name="ipv6Prefix">16 to 128; 0 is 56.</param>
    /// <param name="requestId">The same one again within 24 hours does nothing twice.</param>
    /// <param name="cancellation">Ends the call.</param>
    public async Task<PlacePolicy> SetPolicyAsync(
        string principal, int most, TimeSpan? window = null, int ipv4Prefix = 0, int ipv6Prefix = 0, string? requestId = null, CancellationToken cancellation = default)
    {
        var request = new SetPlacePolicyRequest
        {
            RequestId = RequestId.OrNew(requestId), Principal = principal, Most = most, Window = window is { } time ? Duration.FromTimeSpan(time) : null,
            Ipv4Prefix = ipv4Prefix, Ipv6Prefix = ipv6Prefix,
        };
        return (await runner.UnaryAsync(o => places.SetPlacePolicyAsync(request, o), cancellation).ConfigureAwait(false)).Policy;
    }

    /// <summary>The policy of a principal, and where it was used.</summary>
    public Task<ListPlacesResponse> ListAsync(string principal, CancellationToken cancellation = default) =>
        runner.UnaryAsync(o => places.ListPlacesAsync(new ListPlacesRequest { Principal = principal }, o), cancellation);
}
