namespace KeyService.Grpc;

/// <summary>
/// The transport's measured settings (docs/adr/0040-official-grpc-stack.md says how they were found).
/// </summary>
public static class TransportLimits
{
    /// <summary>Block of the socket memory pool, in bytes: one block takes a burst of a bulk stream in one read.</summary>
    public const int PoolBlockBytes = 256 * 1024;

    /// <summary>HTTP/2 flow-control window of one stream, in bytes. It bounds what one stream may have unread in memory.</summary>
    public const int StreamWindowBytes = 8 * 1024 * 1024;

    /// <summary>HTTP/2 flow-control window of one connection, in bytes.</summary>
    public const int ConnectionWindowBytes = 16 * 1024 * 1024;

    /// <summary>Largest HTTP/2 frame accepted, in bytes.</summary>
    public const int MaxFrameBytes = 1024 * 1024;

    /// <summary>Streams in progress on one connection; the client waits beyond it.</summary>
    public const int MaxStreamsPerConnection = 256;

    /// <summary>
    /// Largest message accepted or answered, in bytes. C-core and JavaScript clients refuse more than 4 MiB by default;
    /// batches are limited to 3 MiB by their own rule, so that what wraps them fits.
    /// </summary>
    public const int MaxMessageBytes = 4 * 1024 * 1024;
}
