using System.Net;
using System.Net.Sockets;

namespace KeyService.Server.Places;

/// <summary>Where a connection came from, as coarse as a policy says: "192.0.2.0/24", "2001:db8::/56", or "unix" for this machine's socket.</summary>
internal static class Place
{
    public const string Socket = "unix";

    /// <summary>The place of a peer's source ("192.0.2.1:4711", "[::1]:4711", "unix"); null of what is none.</summary>
    public static string? Of(string source, PlacePolicy policy)
    {
        if (source == Socket)
        {
            return Socket;
        }

        if (!IPEndPoint.TryParse(source, out var endpoint))
        {
            return null;
        }

        // An IPv4 address that came over a socket of both kinds is an IPv4 address.
        var address = endpoint.Address.IsIPv4MappedToIPv6 ? endpoint.Address.MapToIPv4() : endpoint.Address;
        var length = address.AddressFamily == AddressFamily.InterNetwork ? policy.Ipv4Prefix : policy.Ipv6Prefix;
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var count);
        for (var bit = length; bit < count * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return $"{new IPAddress(bytes[..count])}/{length}";
    }
}
