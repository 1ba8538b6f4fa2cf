using KeyService.Cli.CommandLine;
using KeyService.Client;

namespace KeyService.Cli.Doctor;

/// <summary>What the service says of this client and of itself.</summary>
internal static class ServiceCheck
{
    /// <summary>Request times and certificate ends are judged in minutes; what is further apart misleads people who compare logs.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<Finding>> RunAsync(ClientProfile profile, TimeProvider time, CancellationToken cancellation)
    {
        var findings = new List<Finding>();
        try
        {
            using var client = KeyServiceClient.Connect(profile.ToOptions());
            var me = await client.Access.WhoAmIAsync(cancellation).ConfigureAwait(false);
            var now = time.GetUtcNow();
            var valid = me.Grants
                .Where(grant => !grant.Revoked && (grant.ExpireTime is null || grant.ExpireTime.ToDateTimeOffset() > now)).ToList();
            findings.Add(Finding.Good("principal", $"The service knows this client as {me.Principal.Name}."));
            findings.Add(valid.Count == 0
                ? Finding.Warning("grants", $"{me.Principal.Name} has no grant in force.",
                    $"An administrator gives one: keyservice grant create {me.Principal.Name} --key … --permissions …")
                : Finding.Good("grants",
                    $"{valid.Count} in force: {string.Join(", ", valid.SelectMany(grant => grant.Permissions).Distinct().Order())}."));
            if (await client.Access.ServerClockAsync(cancellation).ConfigureAwait(false) is { } server)
            {
                findings.Add(Clock(server, time.GetUtcNow()));
            }
            findings.AddRange(await StatusAsync(client, cancellation).ConfigureAwait(false));
        }
        catch (KeyServiceException e)
        {
            var failure = Failure.Of(e);
            findings.Add(Finding.Problem("service", failure.Message, failure.Advice));
        }
        return findings;
    }

    // The HTTP date has whole seconds, so a difference of one says nothing.
    internal static Finding Clock(DateTimeOffset server, DateTimeOffset here)
    {
        var difference = here - server;
        var text = $"This clock and the server's differ by {Math.Abs(difference.TotalSeconds):0} s.";
        return difference.Duration() <= ClockTolerance
            ? Finding.Good("clock", text)
            : Finding.Problem("clock", text, "Set both clocks by NTP; certificates, grants and the audit log are judged by them.");
    }

    private static async Task<IReadOnlyList<Finding>> StatusAsync(KeyServiceClient client, CancellationToken cancellation)
    {
        try
        {
            var status = await client.Service.GetStatusAsync(cancellation).ConfigureAwait(false);
            return
            [
                status.Profile == "production"
                    ? Finding.Good("service", $"KeyService {status.Version}, production profile.")
                    : Finding.Warning("service", $"KeyService {status.Version}, {status.Profile} profile: development only.",
                        "Use the production profile for patient data."),
                .. status.Components.Select(component => component.Healthy
                    ? Finding.Good($"service-{component.Name}", component.Detail.Length == 0 ? "Healthy." : component.Detail)
                    : Finding.Problem($"service-{component.Name}", component.Detail,
                        "Run keyservice doctor on the server, and look at its log.")),
            ];
        }
        catch (KeyServiceException e) when (e.Reason == "ACCESS_DENIED")
        {
            return [Finding.Good("status", "Not asked for: this principal has no grant for read-system.")];
        }
    }
}
