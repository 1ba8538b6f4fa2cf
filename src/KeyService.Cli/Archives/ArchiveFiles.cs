using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;

namespace KeyService.Cli.Archives;

/// <summary>
/// The same work on many files: one that fails is reported with its name and the others go on; when the service is gone, or somebody
/// interrupts, the rest is not tried. The exit code is that of the first failure.
/// </summary>
internal static class ArchiveFiles
{
    public static async Task<int> ForEachAsync(Invocation run, string[] paths, Func<string, Task> work)
    {
        var code = ExitCode.Ok;
        var errors = new ErrorReport(run.Json);
        foreach (var path in paths)
        {
            try
            {
                await work(path).ConfigureAwait(false);
            }
            catch (Exception e) when (paths.Length > 1 && !run.Cancellation.IsCancellationRequested)
            {
                var failed = errors.Write(e, path);
                code = code == ExitCode.Ok ? failed : code;
                if (failed == ExitCode.Unavailable)
                {
                    break;
                }
            }
        }
        return code;
    }
}
