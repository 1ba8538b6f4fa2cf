using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using KeyService.Cli.CommandLine;
using KeyService.Crypto;

namespace KeyService.Cli.Ceremonies;

/// <summary>A command that prints what comes to its standard input. It is started without a shell; nothing secret is in its arguments, its environment or a file.</summary>
internal static class SharePrinter
{
    /// <summary>How long a command may take for a page.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private const UnixFileMode Executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // What a pipe holds. A page smaller than that is taken by the system, read or not; with as many line breaks behind it, all of it was read when all is written.
    private const int PipeLength = 64 << 10;

    // For a process that was killed; one that the system does not let go is not waited for.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>The words of a command line, before people come together.</summary>
    public static IReadOnlyList<string> Parse(string text)
    {
        string[] words = [.. System.CommandLine.Parsing.CommandLineParser.SplitCommandLine(text)];
        return words.Length > 0 && Find(words[0]) is { } program
            ? [program, .. words[1..]]
            : throw CliError.Usage($"There is no command \"{(words.Length > 0 ? words[0] : text)}\" to print with.", "Name one that prints the HTML page that comes to its standard input: --share-printer \"COMMAND ARGUMENT …\".");
    }

    /// <summary>Null when the command read the whole page and ended with 0; else why it is not printed, as a clause.</summary>
    /// <param name="command">Program first.</param>
    /// <param name="page">Disposed of here, by whoever has it last.</param>
    /// <param name="patience">After this long the command is killed with all that it started.</param>
    /// <param name="cancellation">Kills it too.</param>
    public static async Task<string?> PrintAsync(IReadOnlyList<string> command, SharePage page, TimeSpan patience, CancellationToken cancellation)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo(command[0], command.Skip(1))
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            })!;
        }
        catch (Win32Exception e)
        {
            page.Dispose();
            return $"it did not start: {e.Message}";
        }
        using (process)
        {
            // Whoever keeps the other end of the pipe and does not read keeps the writer, and the page with it, for as long as that lasts.
            var taken = OnThreadOfItsOwn(() => HandOver(process.StandardInput.BaseStream, page));
            var said = Task.WhenAll(OnThreadOfItsOwn(() => Discard(process.StandardOutput.BaseStream)), OnThreadOfItsOwn(() => Discard(process.StandardError.BaseStream)));
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(patience);
            try
            {
                await Task.WhenAll(taken, said, process.WaitForExitAsync(limit.Token)).WaitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                await KillAsync(process).ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested();
                return string.Create(CultureInfo.InvariantCulture, $"it did not end within {patience.TotalSeconds:F0} seconds");
            }
            return process.ExitCode != 0 ? string.Create(CultureInfo.InvariantCulture, $"it ended with code {process.ExitCode}")
                : !await taken.ConfigureAwait(false) ? "it did not read the whole page" : null;
        }
    }

    private static Task<bool> OnThreadOfItsOwn(Func<bool> act) => Task.Factory.StartNew(act, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static bool HandOver(Stream pipe, SharePage page)
    {
        try
        {
            using (page)
            using (pipe)
            {
                Span<byte> breaks = stackalloc byte[1024];
                breaks.Fill((byte)'\n');
                pipe.Write(page.Content);
                for (var written = 0; written < PipeLength; written += breaks.Length)
                {
                    pipe.Write(breaks);
                }
                return true;
            }
        }
        catch (IOException)
        {
            return false;
        }
    }

    // What it says may repeat what it was given: nobody sees it, and no copy stays.
    private static bool Discard(Stream said)
    {
        using var buffer = new SecretBuffer(4096);
        try
        {
            while (said.Read(buffer.DangerousSpan) > 0)
            {
            }
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return false;
        }
    }

    private static async Task KillAsync(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).WaitAsync(Grace, TimeProvider.System, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is Win32Exception or AggregateException or TimeoutException)
        {
            // It is told that nothing was printed all the same.
        }
    }

    private static string? Find(string program) => program.Contains('/', StringComparison.Ordinal)
        ? IsProgram(program) ? Path.GetFullPath(program) : null
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Select(directory => Path.GetFullPath(Path.Combine(directory, program))).FirstOrDefault(IsProgram);

    private static bool IsProgram(string path) => File.Exists(path) && (File.GetUnixFileMode(path) & Executable) != 0;
}
