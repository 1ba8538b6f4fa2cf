using Microsoft.AspNetCore.Connections.Features;

namespace KeyService.Server.Pipeline;

/// <summary>The peer of the connection that a request came on; the listener put it into the connection's items.</summary>
internal static class PeerOfConnection
{
    private static readonly object Key = new();

    public static Peer Of(HttpContext context) =>
        context.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(Key, out var peer) == true && peer is Peer known
            ? known
            : new Peer("", [], "unknown", DateTimeOffset.MaxValue);

    public static void Set(IDictionary<object, object?> connectionItems, Peer peer) => connectionItems[Key] = peer;
}
