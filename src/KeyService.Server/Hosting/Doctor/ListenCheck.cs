using System.Net;
using System.Net.Sockets;

namespace KeyService.Server.Hosting;

/// <summary>Whether the addresses are free, or taken by a server that runs on this very store.</summary>
internal static class ListenCheck
{
    private const string Check = "listen";

    /// <param name="listen">The addresses.</param>
    /// <param name="serverRuns">True when another process holds the store: then taken addresses are as they should be.</param>
    public static IEnumerable<Finding> Run(ListenConfiguration listen, bool serverRuns)
    {
        if (listen.Tcp is { } tcp)
            yield return OfTcp(tcp, serverRuns);
        if (listen.UnixSocket is { } socket)
            yield return OfSocket(socket, serverRuns);
    }

    private static Finding OfTcp(IPEndPoint endpoint, bool serverRuns)
    {
        try
        {
            using var probe = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(endpoint);
            return serverRuns
                ? Finding.Warning(Check, $"A server runs on this store, but nothing listens on {endpoint}.",
                    "It may be starting, or run with another configuration.")
                : Finding.Good(Check, $"{endpoint} is free.");
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return serverRuns
                ? Finding.Good(Check, $"{endpoint} is served.")
                : Finding.Problem(Check, $"Another program listens on {endpoint}.", "Stop it, or give listen.tcp another port.");
        }
        catch (SocketException exception)
        {
            return Finding.Problem(Check, $"{endpoint} cannot be listened on: {exception.Message}",
                "Give listen.tcp an address of this host and a port that this user may use.");
        }
    }

    private static Finding OfSocket(string path, bool serverRuns)
    {
        var directory = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(directory))
            return Finding.Problem(Check, $"The directory {directory} of the Unix socket does not exist.", $"mkdir -p {directory}");
        if (!File.Exists(path))
        {
            return serverRuns
                ? Finding.Warning(Check, $"A server runs on this store, but {path} is not there.",
                    "Somebody removed it: restart the server.")
                : Finding.Good(Check, $"{path} is free.");
        }
        try
        {
            UnixSocketListener.RemoveStale(path, remove: false);
            return Finding.Good(Check, $"{path} was left behind by a server before; the next start replaces it.");
        }
        catch (StartUpException exception)
        {
            return serverRuns && exception.Code == ExitCode.InUse
                ? Finding.Good(Check, $"{path} is served.")
                : Finding.Problem(Check, exception.Message, "Remove it, or give listen.unixSocket another path.");
        }
    }
}
