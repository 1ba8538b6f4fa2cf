using System.Diagnostics;
using System.Text.Json;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Processes;

namespace KeyService.Cli.Doctor;

/// <summary>The server's own doctor, on the server's machine: its executable looks at configuration, token and store.</summary>
internal static class ServerDoctor
{
    public static async Task<IReadOnlyList<Finding>> RunAsync(string configuration, CancellationToken cancellation)
    {
        try
        {
            var start = new ProcessStartInfo(ServerBinary.Find(), ["doctor", "--config", configuration, "--json"])
            {
                RedirectStandardOutput = true,
                UseShellExecute = false,
            };
            using var process = Process.Start(start)!;
            var output = await process.StandardOutput.ReadToEndAsync(cancellation).ConfigureAwait(false);
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            return Read(output);
        }
        catch (CliError e)
        {
            return [new Finding("server", "binary", Finding.WarningState, e.Message, e.Advice)];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return [new Finding("server", "doctor", Finding.ProblemState, "The server's doctor did not finish.", "What it said is above.")];
        }
    }

    internal static List<Finding> Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        return
        [
            .. document.RootElement.GetProperty("findings").EnumerateArray().Select(one => new Finding(
                "server", Text(one, "check"), Text(one, "state"), Text(one, "message"), Text(one, "fix"))),
        ];
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? "";
}
