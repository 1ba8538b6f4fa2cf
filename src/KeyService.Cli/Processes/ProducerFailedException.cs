namespace KeyService.Cli.Processes;

/// <summary>The producer command did not start, or did not exit 0.</summary>
internal sealed class ProducerFailedException(string message, Exception? cause = null) : Exception(message, cause);
