using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Places;

/// <summary>The RPCs of places.proto.</summary>
internal sealed class PlacesService(PlaceRegister register, AccessRegister access, IStore store, RowAuthenticator rows, AlarmOutlet alarms) : Wire.Places.PlacesBase
{
    private const int DefaultIpv4Prefix = 24;
    private const int DefaultIpv6Prefix = 56;

    private readonly PlaceTables _tables = new(rows);

    [Rpc(Permission.AdministerAccess, AuditEvent.PlacePolicySet, StepUp = true)]
    public override async Task<SetPlacePolicyResponse> SetPlacePolicy(SetPlacePolicyRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var wanted = PolicyOf(request);
        call.Record.Detail = wanted.Most == 0 ? $"places of {wanted.Principal} are not watched any more"
            : $"{wanted.Principal}: {wanted.Most} places of /{wanted.Ipv4Prefix} or /{wanted.Ipv6Prefix} within {wanted.Window}";
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var before = await _tables.FindPolicyAsync(transaction.Connection, transaction.Transaction, wanted.Principal, CancellationToken.None);
            var after = wanted with { Revision = (before?.Revision ?? 0) + 1 };
            await _tables.WriteAsync(transaction, after);
            transaction.OnCommitted(() => register.Apply(after));
            return new SetPlacePolicyResponse { Policy = ToMessage(after) };
        });
        if (wanted.Most == 0)
        {
            await alarms.ClearAsync(AlarmKind.CredentialAtNewPlace, wanted.Principal, CancellationToken.None);
        }

        return response;
    }

    [Rpc(Permission.AdministerAccess, AuditEvent.PlacesListed)]
    public override async Task<ListPlacesResponse> ListPlaces(ListPlacesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var (policy, seen) = await store.ReadAsync(
            async connection => (
                await _tables.FindPolicyAsync(connection, null, request.Principal, call.CancellationToken),
                await _tables.ListSeenAsync(connection, null, request.Principal, DateTimeOffset.UnixEpoch, call.CancellationToken)),
            call.CancellationToken);
        var response = new ListPlacesResponse { Policy = policy is null ? null : ToMessage(policy) };
        response.Places.AddRange(seen.Select(each => new Wire.Place
        {
            Place_ = each.Place, FirstSeenTime = Timestamp.FromDateTimeOffset(each.FirstSeen), LastSeenTime = Timestamp.FromDateTimeOffset(each.LastSeen),
        }));
        call.Record.ItemCount = seen.Count;
        call.Record.Detail = $"principal {OneLine.Of(request.Principal, 64)}";
        return response;
    }

    private PlacePolicy PolicyOf(SetPlacePolicyRequest request)
    {
        if (!access.Current.Principals.ContainsKey(request.Principal))
        {
            throw Refusal.NotFound($"Principal '{OneLine.Of(request.Principal, 64)}'");
        }

        return new PlacePolicy
        {
            Principal = request.Principal,
            Most = request.Most is >= 0 and <= PlacePolicy.MostPlaces ? request.Most : throw Refusal.InvalidArgument("most", $"must be 0 to {PlacePolicy.MostPlaces}"),
            Window = WindowOf(request.Window),
            Ipv4Prefix = request.Ipv4Prefix switch { 0 => DefaultIpv4Prefix, >= 8 and <= 32 => request.Ipv4Prefix, _ => throw Refusal.InvalidArgument("ipv4_prefix", "must be 8 to 32, or 0 for 24") },
            Ipv6Prefix = request.Ipv6Prefix switch { 0 => DefaultIpv6Prefix, >= 16 and <= 128 => request.Ipv6Prefix, _ => throw Refusal.InvalidArgument("ipv6_prefix", "must be 16 to 128, or 0 for 56") },
            Revision = 1,
        };
    }

    private static TimeSpan WindowOf(Duration? window)
    {
        if (window is null)
        {
            return TimeSpan.FromDays(1);
        }

        return window is { Nanos: 0 } && window.Seconds >= PlacePolicy.ShortestWindow.TotalSeconds && window.Seconds <= PlacePolicy.LongestWindow.TotalSeconds
            ? window.ToTimeSpan()
            : throw Refusal.InvalidArgument("window", "must be whole seconds, 1 minute to 31 days");
    }

    private static Wire.PlacePolicy ToMessage(PlacePolicy policy) => new()
    {
        Principal = policy.Principal,
        Most = policy.Most,
        Window = Duration.FromTimeSpan(policy.Window),
        Ipv4Prefix = policy.Ipv4Prefix,
        Ipv6Prefix = policy.Ipv6Prefix,
        Revision = policy.Revision,
    };
}
