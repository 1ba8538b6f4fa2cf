namespace KeyService.Server.Hosting;

/// <summary>The server cannot start, for a reason that one line says together with what to do.</summary>
internal class StartUpException(ExitCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public ExitCode Code { get; } = code;
}

/// <summary>Exit codes of the server binary, the same numbers as the command's where they mean the same
/// (docs/spec/configuration.md).</summary>
internal enum ExitCode
{
    Ok = 0,

    /// <summary>A defect, or a failure that no other code names.</summary>
    Failed = 1,

    /// <summary>The arguments, the configuration or the certificates cannot be used.</summary>
    Configuration = 2,

    /// <summary>The token refused the PIN; it is not tried again.</summary>
    PinRefused = 3,

    /// <summary>The store was changed outside the service.</summary>
    Tampered = 4,

    /// <summary>HSM or store are not there.</summary>
    Unavailable = 5,

    /// <summary>Port, socket or store are in use by another process; or what init is to make stands already.</summary>
    InUse = 6,

    /// <summary>The installation has not been initialised.</summary>
    NotInitialised = 7,

    /// <summary>doctor found problems.</summary>
    ProblemsFound = 8,

    /// <summary>Ended by Ctrl-C before it had done its work.</summary>
    Interrupted = 130,
}
