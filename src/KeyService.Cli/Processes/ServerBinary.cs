using System.Diagnostics;
using System.Runtime.InteropServices;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Processes;

/// <summary>
/// The server's executable. Its commands replace this process (exec), so that a supervisor's signals reach the server and
/// its exit code is ours.
/// </summary>
internal static partial class ServerBinary
{
    private const string Variable = "KEYSERVICE_SERVER";
    private const string Name = "KeyService.Server";

    /// <summary>Becomes the server with these arguments. Returns only by throwing.</summary>
    public static int Become(IReadOnlyList<string> arguments)
    {
        var path = Find();
        string?[] vector = [path, .. arguments, null];
        _ = Execv(path, vector);
        var error = Marshal.GetLastPInvokeError();
        throw new CliError(ExitCode.Failed, "SERVER_BINARY", $"{path} cannot be run: {Marshal.GetPInvokeErrorMessage(error)}.",
            $"Build or install the server, or name it in {Variable}.");
    }

    /// <summary>Runs the server binary as a child whose output is ours, and answers its exit code.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        using var process = Process.Start(new ProcessStartInfo(Find(), arguments) { UseShellExecute = false })!;
        await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        return process.ExitCode;
    }

    /// <summary>Where the server binary is: as named, or beside this command as both were built or installed.</summary>
    public static string Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            return File.Exists(named) ? named : throw Missing($"{Variable} names {named}, which does not exist.");
        }
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        string[] candidates =
        [
            // artifacts/{bin,publish}/KeyService.Cli/<configuration>: the server has the same configuration.
            Path.Combine(own.Parent?.Parent?.FullName ?? "/", Name, own.Name, Name),
            Path.Combine(own.FullName, Name),
        ];
        return candidates.FirstOrDefault(File.Exists) ?? throw Missing("The server's executable is not beside this command.");
    }

    private static CliError Missing(string message) => new(ExitCode.Failed, "SERVER_BINARY", message,
        $"Build or install the server, or name its executable in {Variable}.");

    // execv passes this process's environment on byte for byte.
    [LibraryImport("libc", EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execv(string path, string?[] arguments);
}
