using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Ceremonies;

/// <summary>A command that prints what comes to its standard input. It is started without a shell; nothing secret is in its arguments, its environment or a file.</summary>
internal static class SharePrinter
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The words of a command line, before people come together.</summary>
    public static IReadOnlyList<string> Parse(string text)
    {
        string[] words = [.. System.CommandLine.Parsing.CommandLineParser.SplitCommandLine(text)];
        return words.Length > 0 && Find(words[0]) is { } program
            ? [program, .. words[1..]]
            : throw CliError.Usage($"There is no command \"{(words.Length > 0 ? words[0] : text)}\" to print with.", "Name one that prints the HTML page that comes to its standard input: --share-printer \"COMMAND ARGUMENT …\".");
    }

    /// <summary>Null when the command took the page and ended with 0; else why it is not printed.</summary>
    public static async Task<string?> PrintAsync(IReadOnlyList<string> command, SharePage page, CancellationToken cancellation)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command.Skip(1))
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            })!;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(Patience);
            // What it says may repeat what it was given: nobody reads it.
            var said = Task.WhenAll(process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, limit.Token), process.StandardError.BaseStream.CopyToAsync(Stream.Null, limit.Token));
            try
            {
                var taken = await Task.Run(() => HandOver(process, page), limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
                await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
                await said.ConfigureAwait(false);
                return process.ExitCode != 0 ? string.Create(CultureInfo.InvariantCulture, $"it ended with code {process.ExitCode}") : taken ? null : "it did not read the whole page";
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested();
                return string.Create(CultureInfo.InvariantCulture, $"it did not end within {Patience.TotalMinutes:F0} minutes");
            }
        }
        catch (Win32Exception e)
        {
            return $"it did not start: {e.Message}";
        }
    }

    private static bool HandOver(Process process, SharePage page)
    {
        try
        {
            using var pipe = process.StandardInput.BaseStream;
            pipe.Write(page.Content);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string? Find(string program) => program.Contains('/', StringComparison.Ordinal)
        ? File.Exists(program) ? Path.GetFullPath(program) : null
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Select(directory => Path.Combine(directory, program)).FirstOrDefault(File.Exists);
}
