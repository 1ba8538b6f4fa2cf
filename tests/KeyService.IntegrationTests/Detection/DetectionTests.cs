using KeyService.IntegrationTests.Alarms;
using KeyService.IntegrationTests.BadDays;
using KeyService.IntegrationTests.Service;
using KeyService.IntegrationTests.Storage;
using KeyService.Protocol.V1;
using KeyService.Tests.Detection;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.Detection;

/// <summary>Findings of the real server, from the call to the closed alarm; and the review over PostgreSQL.</summary>
public sealed class DetectionTests
{
    [Fact]
    public async Task What_nobody_registered_did_is_found_told_reviewed_and_survives_the_servers_death()
    {
        await using var service = await AlarmService.StartAsync(configuration => configuration["detection"] = new Dictionary<string, object?> { ["failedLogins"] = 3 });
        await service.IssueClientAsync("mallory");
        using (var mallory = service.ConnectAs("mallory"))
        {
            for (var i = 0; i < 3; i++)
            {
                await Calls.RefusedAsync(Reason.UnknownPrincipal, new Access.AccessClient(mallory).WhoAmIAsync(new WhoAmIRequest()));
            }
        }

        using var administrator = service.ConnectAs("administrator");
        var reviews = new Reviews.ReviewsClient(administrator);
        Finding? finding = null;
        await Until.TrueAsync(
            async () => (finding = (await reviews.ListFindingsAsync(new ListFindingsRequest { Rule = "failed-logins" })).Findings.SingleOrDefault()) is not null, "a finding");
        Assert.Contains("failed to log in 3 times", finding!.Message, StringComparison.Ordinal);
        var alarm = await AlarmService.WaitForAsync(service, $"failed-logins {finding.Subject}");
        Assert.Equal("finding", alarm.Kind);

        await service.CrashAsync();
        await service.StartAsync();
        Assert.Equal(finding, (await reviews.GetFindingAsync(new GetFindingRequest { Id = finding.Id })).Finding);
        Assert.Single((await reviews.ListFindingsAsync(new ListFindingsRequest { Rule = "failed-logins", IncludeClosed = true })).Findings);

        await reviews.AssignFindingAsync(new AssignFindingRequest { RequestId = Calls.NewRequestId(), Id = finding.Id, Assignee = "administrator" });
        var closed = (await reviews.CloseFindingAsync(new CloseFindingRequest
        {
            RequestId = Calls.NewRequestId(), Id = finding.Id, Disposition = FindingDisposition.Incident, Note = "handed over to the incident team",
        })).Finding;
        Assert.Equal((false, "administrator", FindingDisposition.Incident), (closed.Open, closed.ClosedBy, closed.Disposition));
        await AlarmService.WaitForAsync(service, alarm.Subject, each => each.ClearTime is not null);
        await Calls.RefusedAsync(Reason.FindingClosed, reviews.CloseFindingAsync(new CloseFindingRequest
        {
            RequestId = Calls.NewRequestId(), Id = finding.Id, Disposition = FindingDisposition.Expected, Note = "no",
        }));

        // The auditor's pack has it, with what became of it; a range before has not.
        var now = DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        Assert.Contains("handed over to the incident team", await FindingsOfPackAsync(administrator, now.AddDays(-1), now), StringComparison.Ordinal);
        Assert.Equal("[]\n", await FindingsOfPackAsync(administrator, now.AddDays(-2), now.AddDays(-1)));

        // Administering is found too, told nobody, and is not the administrator's to close.
        await Until.TrueAsync(
            async () => (finding = (await reviews.ListFindingsAsync(new ListFindingsRequest { Rule = "administrative-privilege" })).Findings.FirstOrDefault()) is not null
                || !await CreateKeyAsync(service), "administration is found");
        Assert.Equal("administrator", finding!.Subject);
        await Calls.RefusedAsync(Reason.OwnFinding, reviews.CloseFindingAsync(new CloseFindingRequest
        {
            RequestId = Calls.NewRequestId(), Id = finding.Id, Disposition = FindingDisposition.Expected, Note = "mine",
        }));
        Assert.DoesNotContain(await AlarmService.ListAsync(service), each => each.Subject.StartsWith("administrative", StringComparison.Ordinal));
        await Calls.RefusedAsync(Reason.InvalidArgument, reviews.ListFindingsAsync(new ListFindingsRequest { Rule = "anything" }));
        await Calls.RefusedAsync(Reason.InvalidArgument, reviews.SignOffMonthAsync(new SignOffMonthRequest { RequestId = Calls.NewRequestId(), Month = "2026-1" }));
    }

    private static async Task<string> FindingsOfPackAsync(global::Grpc.Core.ChannelBase channel, DateTimeOffset from, DateTimeOffset until)
    {
        using var call = new Evidence.EvidenceClient(channel).ExportEvidence(new ExportEvidenceRequest
        {
            StartTime = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(from), EndTime = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(until),
        });
        var file = new MemoryStream();
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            if (call.ResponseStream.Current.Name == "reviews/findings.json")
            {
                call.ResponseStream.Current.Data.WriteTo(file);
            }
        }
        return System.Text.Encoding.UTF8.GetString(file.ToArray());
    }

    private static async Task<bool> CreateKeyAsync(ServiceFixture service)
    {
        await service.CreateKeyAsync($"found/{Guid.NewGuid():n}");
        return true;
    }
}

public sealed class PostgresReviewTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Findings_are_assigned_closed_and_signed_off()
    {
        var database = await PostgresDatabase.MakeAsync(server);
        await using var store = database.Open();
        var rows = SoftwareRows.Of();
        await SoftwareRows.InstallAsync(store, rows);
        await new ReviewContract(store, rows, new TestTime()).CheckAsync();
    }
}
