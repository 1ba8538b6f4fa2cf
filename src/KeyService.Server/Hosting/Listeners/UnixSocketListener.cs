using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace KeyService.Server.Hosting;

/// <summary>
/// The Unix socket, HTTP/2 without TLS: the kernel says which user connected (SO_PEERCRED, unix(7)), and that user is the
/// credential.
/// </summary>
internal static class UnixSocketListener
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
    private const int UcredBytes = 12;
    private const int UidOffset = 4;

    public static void Configure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => async connection =>
        {
            if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket && PeerUid(socket) is { } uid)
            {
                var credential = new Credential(CredentialKind.UnixUid, uid.ToString(CultureInfo.InvariantCulture));
                PeerOfConnection.Set(connection.Items, new Peer("unix-uid", [credential], "unix", DateTimeOffset.MaxValue));
            }
            await next(connection);
        });
    }

    /// <summary>
    /// Removes a socket file that a server before left behind.
    /// </summary>
    /// <exception cref="StartUpException">Somebody listens on it, or it is no socket.</exception>
    public static void RemoveStale(string path, bool remove = true)
    {
        if (!File.Exists(path))
            return;
        if ((File.GetAttributes(path) & FileAttributes.Device) == 0 && new FileInfo(path).Length > 0)
            throw new StartUpException(ExitCode.Configuration, $"listen.unixSocket: {path} is a file, not a socket. Give another path.");
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
        {
            if (remove)
                File.Delete(path);
            return;
        }
        catch (SocketException exception)
        {
            throw new StartUpException(ExitCode.Configuration, $"listen.unixSocket: {path} cannot be used: {exception.Message}");
        }
        throw new StartUpException(ExitCode.InUse, $"listen.unixSocket: another server listens on {path}. Stop it, or give another path.");
    }

    private static uint? PeerUid(Socket socket)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        Span<byte> ucred = stackalloc byte[UcredBytes];
        return socket.GetRawSocketOption(SolSocket, SoPeerCred, ucred) == UcredBytes
            ? BitConverter.IsLittleEndian ? BinaryPrimitives.ReadUInt32LittleEndian(ucred[UidOffset..])
                : BinaryPrimitives.ReadUInt32BigEndian(ucred[UidOffset..])
            : null;
    }
}
