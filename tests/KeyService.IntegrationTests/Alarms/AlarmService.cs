using Grpc.Core;
using KeyService.IntegrationTests.BadDays;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Alarms;

/// <summary>What the tests of alarms do with a service of theirs. A client whose certificate ends soon is the way to an alarm from outside.</summary>
internal static class AlarmService
{
    public const string Kind = "certificate-expiring";

    /// <summary>A service of its own whose configuration and certificates a test prepares before it starts.</summary>
    public static async Task<ServiceFixture> StartAsync(Action<Dictionary<string, object?>>? configure = null, int? serverDays = null)
    {
        Infrastructure.RequireSoftHsm();
        Infrastructure.RequireTool("openssl", "openssl");
        var service = new ServiceFixture();
        await service.ProvisionAsync();
        if (serverDays is { } days)
            await IssueServerAsync(service, days);
        service.WriteConfig(configure);
        await service.StartAsync();
        return service;
    }

    public static Task IssueServerAsync(ServiceFixture service, int days) =>
        Executables.MakePkiAsync(Path.Combine(service.Directory, "pki"), "server", $"{days}");

    /// <summary>Registers a principal, gives it a certificate of so many days, and calls as it: with 20 days its alarm follows.</summary>
    public static async Task CallWithCertificateAsync(ServiceFixture service, string name, int days, bool register = true)
    {
        await service.IssueClientAsync(name, days);
        if (register)
        {
            using var administrator = service.ConnectAs("administrator");
            await new Access.AccessClient(administrator).CreatePrincipalAsync(new CreatePrincipalRequest
            {
                RequestId = Calls.NewRequestId(),
                Name = name,
                Type = PrincipalType.Service,
                Credential = new Credential { CertificateSanUri = $"keyservice:principal/{name}" },
            });
        }
        using var channel = service.ConnectAs(name);
        await new Access.AccessClient(channel).WhoAmIAsync(new WhoAmIRequest());
    }

    public static async Task<IReadOnlyList<Alarm>> ListAsync(ServiceFixture service, bool includeClosed = false)
    {
        using var administrator = service.ConnectAs("administrator");
        return (await new Protocol.V1.Alarms.AlarmsClient(administrator).ListAlarmsAsync(
            new ListAlarmsRequest { IncludeClosed = includeClosed, PageSize = 1000 })).Alarms;
    }

    /// <summary>Waits for an alarm of this subject for which <paramref name="holds"/>.</summary>
    public static async Task<Alarm> WaitForAsync(ServiceFixture service, string subject, Func<Alarm, bool>? holds = null)
    {
        Alarm? found = null;
        await Until.TrueAsync(
            async () => (found = (await ListAsync(service, includeClosed: true)).FirstOrDefault(alarm => alarm.Subject == subject && (holds?.Invoke(alarm) ?? true))) is not null,
            $"an alarm of {subject}");
        return found!;
    }

    public static async Task<Alarm> AcknowledgeAsync(ServiceFixture service, string id, string note = "seen", string? requestId = null)
    {
        using var administrator = service.ConnectAs("administrator");
        return (await new Protocol.V1.Alarms.AlarmsClient(administrator).AcknowledgeAlarmAsync(
            new AcknowledgeAlarmRequest { RequestId = requestId ?? Calls.NewRequestId(), Id = id, Note = note })).Alarm;
    }
}
