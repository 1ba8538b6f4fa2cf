namespace KeyService.Cli.Processes;

/// <summary>The command of a restore test did not start, did not exit 0, or did not read everything.</summary>
internal sealed class RestoreTestFailedException(string message, Exception? cause = null) : Exception(message, cause);
