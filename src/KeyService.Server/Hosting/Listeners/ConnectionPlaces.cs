using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace KeyService.Server.Hosting;

/// <summary>
/// Bounds the connections: all that are open, and those that have not proven who they are. Beyond the first number a new one is closed at once;
/// beyond the second the oldest stranger goes, because an honest one is done long before it is the oldest.
/// </summary>
internal sealed class ConnectionPlaces(LimitsConfiguration limits, TimeProvider time, ListenerLog log)
{
    private static readonly object StrangerKey = new();
    private readonly Lock _gate = new();
    private readonly LinkedList<ConnectionContext> _strangers = [];
    private readonly PacedCount _refused = new(time);
    private readonly PacedCount _evicted = new(time);
    private int _open;

    /// <summary>Before everything else on a listener.</summary>
    public void Bound(ListenOptions listen) => listen.Use(next => async connection =>
    {
        if (Interlocked.Increment(ref _open) > limits.Connections)
        {
            Interlocked.Decrement(ref _open);
            if (_refused.Add(out var count))
                log.ConnectionsRefused(count, limits.Connections);
            connection.Abort(new ConnectionAbortedException("Too many connections."));
            return;
        }
        try
        {
            await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    });

    /// <summary>Before TLS.</summary>
    public void BoundStrangers(ListenOptions listen) => listen.Use(next => async connection =>
    {
        var place = Enter(connection);
        connection.Items[StrangerKey] = place;
        try
        {
            await next(connection);
        }
        finally
        {
            Leave(place);
        }
    });

    /// <summary>After TLS: the connection has shown a certificate that is accepted.</summary>
    public void Proven(ConnectionContext connection)
    {
        if (connection.Items.TryGetValue(StrangerKey, out var place))
            Leave((LinkedListNode<ConnectionContext>)place!);
    }

    private LinkedListNode<ConnectionContext> Enter(ConnectionContext connection)
    {
        ConnectionContext? oldest = null;
        LinkedListNode<ConnectionContext> place;
        lock (_gate)
        {
            place = _strangers.AddLast(connection);
            if (_strangers.Count > limits.Handshakes)
            {
                oldest = _strangers.First!.Value;
                _strangers.RemoveFirst();
            }
        }
        if (oldest is not null)
        {
            if (_evicted.Add(out var count))
                log.HandshakesClosed(count, limits.Handshakes);
            oldest.Abort(new ConnectionAbortedException("Too many unfinished handshakes."));
        }
        return place;
    }

    private void Leave(LinkedListNode<ConnectionContext> place)
    {
        lock (_gate)
        {
            if (place.List is not null)
                _strangers.Remove(place);
        }
    }
}
