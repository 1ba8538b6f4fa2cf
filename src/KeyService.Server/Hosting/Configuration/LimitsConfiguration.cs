namespace KeyService.Server.Hosting;

/// <summary>Section "limits" of the configuration file.</summary>
internal sealed record LimitsConfiguration
{
    /// <summary>Unary calls in progress at once, 1 to 100,000. Each may hold two blocks of 256 KiB.</summary>
    public int ConcurrentCalls { get; init; } = 512;

    /// <summary>Streams in progress at once, 1 to 10,000. Each may hold a flow-control window of 8 MiB.</summary>
    public int ConcurrentStreams { get; init; } = 64;

    /// <summary>Clients that may listen to their leases at once, 1 to 100,000. Each costs some tens of KiB.</summary>
    public int ConcurrentListeners { get; init; } = 4096;

    /// <summary>Key versions kept in memory, 100 to 1,000,000; about 1 KiB each, and 10 KiB a thread where fields are encrypted under it.</summary>
    public int CachedKeyVersions { get; init; } = 10_000;

    /// <summary>Connections open at once, 1 to 1,000,000, over all listeners.</summary>
    public int Connections { get; init; } = 12_000;

    /// <summary>TLS connections at once that have not proven who they are, 1 to 100,000; a further one takes the place of the oldest.</summary>
    public int Handshakes { get; init; } = 1_000;

    /// <summary>Seconds a stream may be silent, 1 to 86,400.</summary>
    public int StreamIdleSeconds { get; init; } = 300;

    /// <summary>Seconds that calls in progress get to end when the server stops, 0 to 600.</summary>
    public int ShutdownSeconds { get; init; } = 20;

    /// <summary>Seconds by which clocks of servers may differ and a clock be corrected backwards, 1 to 3,600; beyond them protection stops.</summary>
    public int ClockToleranceSeconds { get; init; } = 60;
}
