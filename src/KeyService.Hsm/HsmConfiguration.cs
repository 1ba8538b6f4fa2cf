namespace KeyService.Hsm;

/// <summary>One PKCS#11 token, as an entry of a configuration file. It holds no secret: the PIN is named by a file or a descriptor.</summary>
public sealed record HsmConfiguration
{
    /// <summary>Path of the PKCS#11 module, for example <c>/usr/lib/softhsm/libsofthsm2.so</c>.</summary>
    public required string ModulePath { get; init; }

    /// <summary>Label of the token. When the serial is given as well, both must match.</summary>
    public string? TokenLabel { get; init; }

    /// <summary>Serial number of the token. Preferred for real devices: labels can be given twice, serials cannot.</summary>
    public string? TokenSerial { get; init; }

    /// <summary>File that holds the user PIN in its first line. Others must not be able to read it (mode 0600, or 0640 for a group).</summary>
    public string? PinFile { get; init; }

    /// <summary>Open file descriptor from which the PIN is read once, to the end of its first line. Exclusive with <see cref="PinFile"/>.</summary>
    public int? PinDescriptor { get; init; }

    /// <summary>Parameter string for NSS modules (<c>configdir='sql:…' …</c>); null for every other module.</summary>
    public string? NssParameters { get; init; }

    /// <summary>
    /// How many calls may be inside the module at once, 1 to 256. Null: chosen by how long a small call takes when the token is opened, 2 for software in this
    /// process, 32 for a device (docs/adr/0122).
    /// </summary>
    public int? MaxConcurrency { get; init; }

    /// <summary>How many KEKs may be loaded at once, 1 to 1,000,000; the least recently used one goes first.</summary>
    public int MaxLoadedKeks { get; init; } = 10_000;

    /// <summary>How long a single call into the module, or draining it before a reconnect, may take before the token counts as hung.</summary>
    public TimeSpan WatchdogTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Least time between two attempts to reconnect a lost token by ordinary calls; a probe always tries.</summary>
    public TimeSpan ReconnectInterval { get; init; } = TimeSpan.FromSeconds(1);
}
