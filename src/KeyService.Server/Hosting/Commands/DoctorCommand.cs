using System.Text.Json;
using KeyService.Crypto;

namespace KeyService.Server.Hosting;

/// <summary><c>doctor</c>: looks at everything that a start needs and says for each finding what to do.</summary>
internal static class DoctorCommand
{
    public static async Task<ExitCode> RunAsync(string configurationPath, bool json, CancellationToken cancellation)
    {
        ProcessHardening.DisableCoreDumps();
        var findings = await LookAsync(configurationPath, TimeProvider.System, cancellation);
        if (json)
            WriteJson(findings);
        else
            WriteText(findings);
        return findings.Any(finding => finding.State == FindingState.Problem) ? ExitCode.ProblemsFound : ExitCode.Ok;
    }

    internal static async Task<IReadOnlyList<Finding>> LookAsync(
        string configurationPath, TimeProvider time, CancellationToken cancellation)
    {
        ServerConfiguration configuration;
        try
        {
            configuration = ConfigurationFile.Load(configurationPath);
        }
        catch (ConfigurationException exception)
        {
            return [.. exception.Findings
                .Select(text => Finding.Problem("config", text, $"Correct {exception.Path}; docs/spec/configuration.md has every key."))];
        }
        var findings = new List<Finding> { Finding.Good("config", $"{configuration.FilePath} is good.") };
        if (configuration.Tls is { } tls)
            findings.AddRange(TlsCheck.Run(tls, configuration.Profile, time.GetUtcNow()));
        if (configuration.Alarms.Webhook is { } webhook)
            findings.AddRange(WebhookCheck.Run(webhook, time.GetUtcNow()));
        findings.AddRange(await SinksCheck.RunAsync(configuration.Sinks, time, cancellation));
        findings.AddRange(DecisionsCheck.Run(configuration.Evidence, time.GetUtcNow()));
        var installation = new InstallationCheck(configuration, time);
        findings.AddRange(await installation.RunAsync(cancellation));
        findings.AddRange(ClockCheck.Run(time.GetUtcNow(), installation.NewestRecord));
        findings.Add(MemoryCheck.Run());
        findings.AddRange(ListenCheck.Run(configuration.Listen, installation.ServerRuns));
        return findings;
    }

    private static void WriteText(IReadOnlyList<Finding> findings)
    {
        foreach (var finding in findings)
        {
            var sign = finding.State switch { FindingState.Good => "ok     ", FindingState.Warning => "warning", _ => "PROBLEM" };
            Console.Out.WriteLine($"{sign}  {finding.Check,-7} {finding.Message}");
            if (finding.Fix.Length > 0)
                Console.Out.WriteLine($"                  fix: {finding.Fix}");
        }
        var problems = findings.Count(finding => finding.State == FindingState.Problem);
        Console.Out.WriteLine(problems == 0 ? "No problems." : $"{problems} problem{(problems == 1 ? "" : "s")}.");
    }

    private static void WriteJson(IReadOnlyList<Finding> findings)
    {
        using var json = new Utf8JsonWriter(Console.OpenStandardOutput(), new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteBoolean("healthy", findings.All(finding => finding.State != FindingState.Problem));
        json.WriteStartArray("findings");
        foreach (var finding in findings)
        {
            json.WriteStartObject();
            json.WriteString("check", finding.Check);
            json.WriteString("state", finding.State.ToString().ToLowerInvariant());
            json.WriteString("message", finding.Message);
            json.WriteString("fix", finding.Fix);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        Console.Out.WriteLine();
    }
}
