namespace KeyService.Cli.CommandLine;

/// <summary>What the command itself refuses or fails at: exit code, stable reason, what happened, what to do.</summary>
internal sealed class CliError(int exitCode, string reason, string message, string advice, Exception? cause = null) : Exception(message, cause)
{
    public int ExitCode { get; } = exitCode;

    public string Reason { get; } = reason;

    public string Advice { get; } = advice;

    public static CliError Usage(string message, string advice) => new(CommandLine.ExitCode.Usage, "USAGE", message, advice);
}
