using Grpc.Core;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Alarms;

/// <summary>R19 on the real server, with certificates as openssl makes them.</summary>
public sealed class CertificateAlarmsTests
{
    private const string Subject = "server certificate CN=localhost";

    [Fact]
    public async Task A_server_certificate_of_20_days_is_an_alarm_and_a_renewal_ends_it_without_a_restart()
    {
        await using var service = await AlarmService.StartAsync(serverDays: 20);
        var alarm = await AlarmService.WaitForAsync(service, Subject);
        Assert.Equal((AlarmService.Kind, AlarmSeverity.Warning), (alarm.Kind, alarm.Severity));
        Assert.StartsWith("It ends 2", alarm.Message, StringComparison.Ordinal);
        await AlarmService.AcknowledgeAsync(service, alarm.Id);

        await AlarmService.IssueServerAsync(service, 365);
        Assert.False((await AlarmService.WaitForAsync(service, Subject, each => each.ClearTime is not null)).Open);
        Assert.Empty(await AlarmService.ListAsync(service));

        await AlarmService.IssueServerAsync(service, 20);
        var again = await AlarmService.WaitForAsync(service, Subject, each => each.Open);
        Assert.NotEqual(alarm.Id, again.Id);
    }

    [Fact]
    public async Task A_server_certificate_of_400_days_is_an_alarm_and_doctor_says_it()
    {
        await using var service = await AlarmService.StartAsync(serverDays: 400);
        var alarm = await AlarmService.WaitForAsync(service, Subject);
        Assert.Equal("It lives 400 days; at most 12 months (366 days) are right.", alarm.Message.Split(" Serial")[0]);
        var doctor = await Executables.RunServerAsync(["doctor", "--config", service.ConfigPath], service.ServerEnvironment);
        Assert.Contains("The server certificate lives 400 days.", doctor.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_of_server_authority_and_clients_are_listed_what_ends_first_at_the_top()
    {
        await using var service = await AlarmService.StartAsync();
        await AlarmService.CallWithCertificateAsync(service, "ending", days: 20);
        await service.IssueClientAsync("nobody");
        using (var stranger = service.ConnectAs("nobody"))
        {
            await Assert.ThrowsAsync<RpcException>(async () => await new Access.AccessClient(stranger).WhoAmIAsync(new WhoAmIRequest()));
        }
        using var administrator = service.ConnectAs("administrator");
        var client = new Protocol.V1.System.SystemClient(administrator);
        IReadOnlyList<Certificate> all = [];
        await Until.TrueAsync(
            async () => (all = (await client.ListCertificatesAsync(new ListCertificatesRequest())).Certificates).Any(each => each is { Principal: "ending", Connections: 0 }),
            "the end of a connection");

        Assert.Equal(all.Select(each => each.ExpireTime).Order(), all.Select(each => each.ExpireTime));
        Assert.Equal(
            ["Client CN=administrator administrator", "Client CN=ending ending", "Client CN=nobody ", "ClientCa CN=KeyService development CA ", "Server CN=localhost "],
            all.Select(each => $"{each.Role} {each.Subject} {each.Principal}").Order(StringComparer.Ordinal));
        Assert.Equal(("CN=ending", true), (all[0].Subject, all[0].Finding.StartsWith("It ends ", StringComparison.Ordinal)));
        var own = all.Single(each => each.Principal == "administrator");
        Assert.True(own is { Connections: >= 1, Finding: "" } && own.LastSeenTime is not null && own.FingerprintSha256.Length == 64);

        var paged = new List<Certificate>();
        var token = "";
        do
        {
            var page = await client.ListCertificatesAsync(new ListCertificatesRequest { PageSize = 2, PageToken = token });
            paged.AddRange(page.Certificates);
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        Assert.Equal(all.Select(each => each.FingerprintSha256), paged.Select(each => each.FingerprintSha256));
    }
}
