using System.Net.Sockets;

namespace KeyService.Server.Audit.Sinks;

/// <summary>
/// How a TCP connection ended, of which both sides have said that they send no more. A kernel that still holds, or then gets, bytes that its
/// process did not read answers with a reset; so an end without one means that everything was read, unless the process ended its own side first
/// and then did not read on. Linux.
/// </summary>
internal static class TcpEnd
{
    private const int Tcp = 6;
    private const int TcpInfo = 11;
    private const int Closed = 7;
    private const int SocketLevel = 1;
    private const int PendingError = 4;

    /// <summary>Our end is acknowledged too, or the connection was reset.</summary>
    public static bool IsReached(Socket socket)
    {
        // The state is the first byte of struct tcp_info.
        Span<byte> info = stackalloc byte[8];
        socket.GetRawSocketOption(Tcp, TcpInfo, info);
        return info[0] == Closed;
    }

    /// <summary>What ended it instead; null when it ended in order.</summary>
    public static string? ErrorOf(Socket socket)
    {
        Span<byte> error = stackalloc byte[4];
        socket.GetRawSocketOption(SocketLevel, PendingError, error);
        return BitConverter.ToInt32(error) is not 0 and var number ? $"errno {number}" : null;
    }
}
