using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Client;

namespace KeyService.Cli.Doctor;

/// <summary><c>keyservice doctor</c></summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var config = new Option<string?>("--config")
        {
            Description = "Also look at the server with this configuration; else the one that the profile names",
            HelpName = "FILE",
        };
        return new Command("doctor",
            "Look at profile, certificates, clock, service and (on its machine) the server, and say how to fix what is wrong")
        {
            config,
        }.Runs(async run =>
        {
            var problems = 0;
            void Say(IEnumerable<Finding> findings)
            {
                foreach (var finding in findings)
                {
                    problems += finding.IsProblem ? 1 : 0;
                    run.Report.WriteLine(finding.ToRecord(), finding.ToText());
                }
            }

            var time = TimeProvider.System;
            var (profile, found) = ProfileCheck.Find(run.ProfilePath);
            Say([found]);
            if (profile is not null)
            {
                Say(ProfileCheck.LookAt(profile, time.GetUtcNow()));
                // With a certificate that cannot be used there is no handshake to judge.
                if (problems == 0)
                {
                    Say(await ConnectionCheck.RunAsync(profile, time.GetUtcNow(), run.Cancellation).ConfigureAwait(false));
                }
                if (problems == 0)
                {
                    Say(await ServiceCheck.RunAsync(profile, time, run.Cancellation).ConfigureAwait(false));
                }
            }
            if ((run.Get(config) ?? Existing(profile?.ServerConfigPath)) is { } server)
            {
                Say(await ServerDoctor.RunAsync(server, run.Cancellation).ConfigureAwait(false));
            }
            if (!run.Json)
            {
                run.Report.WriteText(problems == 0 ? "No problems.\n" : $"{problems} problem{(problems == 1 ? "" : "s")}.\n");
            }
            return problems == 0 ? ExitCode.Ok : ExitCode.Findings;
        });
    }

    // A profile may have been copied to a machine that the server does not run on.
    private static string? Existing(string? path) => File.Exists(path) ? path : null;
}
