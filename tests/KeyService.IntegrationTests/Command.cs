using System.Diagnostics;
using System.Text;

namespace KeyService.IntegrationTests;

/// <summary>What a finished process left.</summary>
internal sealed record CommandResult(string Line, int ExitCode, byte[] Output, string Error)
{
    public string Text => Encoding.UTF8.GetString(Output);

    /// <summary>Fails the test, showing what the process said, unless it ended with this code.</summary>
    public CommandResult ExpectExit(int code)
    {
        Assert.True(
            ExitCode == code,
            $"{Line}\nexit code {ExitCode}, expected {code}\n--- stdout\n{Head(Text)}\n--- stderr\n{Head(Error)}");
        return this;
    }

    private static string Head(string text) => text.Length > 4000 ? text[..4000] + " …" : text;
}

/// <summary>Runs a process to its end, feeding and reading all three streams at once.</summary>
internal static class Command
{
    /// <summary>No process of a test is waited for longer than this.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public static async Task<CommandResult> RunAsync(
        string file,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null,
        byte[]? input = null,
        string? workingDirectory = null,
        TimeSpan? limit = null)
    {
        var start = StartInfo(file, arguments, environment, workingDirectory);
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{file} did not start");
        var line = file + " " + string.Join(' ', start.ArgumentList);
        using var end = new CancellationTokenSource(limit ?? Limit);
        try
        {
            var error = process.StandardError.ReadToEndAsync(end.Token);
            var feed = FeedAsync(process, input, end.Token);
            using var output = new MemoryStream();
            await process.StandardOutput.BaseStream.CopyToAsync(output, end.Token);
            await feed;
            await process.WaitForExitAsync(end.Token);
            return new CommandResult(line, process.ExitCode, output.ToArray(), await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"Not finished after {limit ?? Limit}: {line}");
        }
    }

    public static ProcessStartInfo StartInfo(
        string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment, string? workingDirectory)
    {
        var start = new ProcessStartInfo(file)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = workingDirectory ?? Infrastructure.RepositoryRoot,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        // The tests' own settings do not leak into what they start.
        start.Environment.Remove("KEYSERVICE_PROFILE");
        start.Environment.Remove("SOFTHSM2_CONF");
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }
        return start;
    }

    private static async Task FeedAsync(Process process, byte[]? input, CancellationToken cancellation)
    {
        try
        {
            if (input is not null)
            {
                await process.StandardInput.BaseStream.WriteAsync(input, cancellation);
            }
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The process ended without reading everything: its exit code says why.
        }
    }
}
