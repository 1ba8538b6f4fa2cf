using System.Security.Cryptography;

namespace KeyService.Client.Internal;

/// <summary>
/// Sends over connections that carry the certificate which stands in the files now. On use, at most once a second, certificate and CA files are
/// compared with what was loaded; when they changed, new calls go over a new set of connections, and calls under way end on the old one. A
/// renewal that is half written, or does not fit together, changes nothing until it does.
/// </summary>
internal sealed class RenewingHandler : HttpMessageHandler
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>Sets of connections that calls of long ago may still use; older ones are closed.</summary>
    private const int MostRetired = 2;

    private readonly ClientOptions options;
    private readonly Func<ClientOptions, SocketsHttpHandler> connect;
    private readonly Lock gate = new();
    private readonly Queue<Connections> retired = new();
    private volatile Connections current;
    private long lookedAt;
    private bool disposed;

    /// <param name="options">Names the files.</param>
    /// <param name="connect">Loads them and makes a handler.</param>
    /// <exception cref="KeyServiceException">CONFIGURATION, TLS_FAILED: they cannot be used.</exception>
    public RenewingHandler(ClientOptions options, Func<ClientOptions, SocketsHttpHandler> connect)
    {
        this.options = options;
        this.connect = connect;
        lookedAt = options.TimeProvider.GetTimestamp();
        // Before the files are loaded: a change in between is then found at the next look.
        var digest = Digest();
        current = new Connections(connect(options), digest);
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (options.TimeProvider.GetElapsedTime(Volatile.Read(ref lookedAt)) >= Look)
        {
            TakeOverChange();
        }
        return current.Invoker.SendAsync(request, cancellationToken);
    }

    protected override void Dispose(bool disposing)
    {
        lock (gate)
        {
            if (disposing && !disposed)
            {
                disposed = true;
                current.Invoker.Dispose();
                foreach (var old in retired)
                {
                    old.Invoker.Dispose();
                }
            }
        }
        base.Dispose(disposing);
    }

    private void TakeOverChange()
    {
        lock (gate)
        {
            if (disposed || options.TimeProvider.GetElapsedTime(lookedAt) < Look)
            {
                return;
            }
            Volatile.Write(ref lookedAt, options.TimeProvider.GetTimestamp());
            try
            {
                var digest = Digest();
                if (digest.AsSpan().SequenceEqual(current.Digest))
                {
                    return;
                }
                var renewed = new Connections(connect(options), digest);
                retired.Enqueue(current);
                current = renewed;
                LeaseMetrics.CertificatesReloaded.Add(1);
                if (retired.Count > MostRetired)
                {
                    retired.Dequeue().Invoker.Dispose();
                }
            }
            catch (Exception e) when (e is KeyServiceException or IOException or UnauthorizedAccessException)
            {
                // Half of a renewal, most likely: what was loaded goes on, and the next look tries again.
                LeaseMetrics.CertificatesRefused.Add(1);
            }
        }
    }

    // Contents, not times: renewals copy files with their old times, and a mounted secret changes by a link two levels up. The private key is not
    // read for this; a new key comes with a new certificate.
    private byte[] Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in new[] { options.ClientCertificatePath, options.CaPath })
        {
            hash.AppendData(SHA256.HashData(string.IsNullOrEmpty(path) || !File.Exists(path) ? [] : File.ReadAllBytes(path)));
        }
        return hash.GetHashAndReset();
    }

    private sealed record Connections(SocketsHttpHandler Handler, byte[] Digest)
    {
        public HttpMessageInvoker Invoker { get; } = new(Handler, disposeHandler: true);
    }
}
