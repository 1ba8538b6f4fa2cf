namespace KeyService.Cli.CommandLine;

/// <summary>Exit codes of the command (docs/cli.md). Frozen: scripts depend on them.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>It did not work, for a reason that has no code of its own.</summary>
    public const int Failed = 1;

    /// <summary>The command line, or an argument that the service checked, is not right.</summary>
    public const int Usage = 2;

    /// <summary>Not known to the service, or not allowed.</summary>
    public const int Refused = 3;

    /// <summary>Does not decrypt or verify.</summary>
    public const int NotVerified = 4;

    /// <summary>The service, its HSM or its store is not there.</summary>
    public const int Unavailable = 5;

    /// <summary>Not found, or exists already.</summary>
    public const int Conflict = 6;

    /// <summary>The producer command after <c>--</c> did not end well: nothing was sealed.</summary>
    public const int ProducerFailed = 7;

    /// <summary>doctor found something.</summary>
    public const int Findings = 8;

    /// <summary>The command of <c>verify --restore-test</c> did not end well, or did not read everything.</summary>
    public const int RestoreTestFailed = 9;

    /// <summary>alarms showed open ones.</summary>
    public const int AlarmsOpen = 10;

    /// <summary>SIGINT, SIGTERM or SIGHUP.</summary>
    public const int Interrupted = 130;
}
