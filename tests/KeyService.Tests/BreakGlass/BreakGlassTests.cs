using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Alarms;
using KeyService.Server.Sessions;
using KeyService.Tests.Sessions;
using static KeyService.Tests.Sessions.SessionHost;
using AccessClient = KeyService.Protocol.V1.Access.AccessClient;
using AlarmsClient = KeyService.Protocol.V1.Alarms.AlarmsClient;
using BreakGlassClient = KeyService.Protocol.V1.BreakGlass.BreakGlassClient;
using SessionsClient = KeyService.Protocol.V1.Sessions.SessionsClient;

namespace KeyService.Tests.BreakGlass;

/// <summary>Emergency access, over the real pipeline and store. In an emergency, here, people may read alarms.</summary>
public sealed class BreakGlassTests
{
    [Fact]
    public async Task A_second_person_opens_it_for_an_hour_it_is_on_record_and_ends_by_itself()
    {
        await using var host = await StartAsync(false, "ada", "ben", "cyd");
        var (ada, ben) = (new BreakGlassClient(host.As("ada")), new BreakGlassClient(host.As("ben")));
        var alarms = new AlarmsClient(host.As("ada"));
        await RefusedAsync(Reason.AccessDenied, alarms.ListAlarmsAsync(new()));
        var asked = (await ada.AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "the issuer of tokens is down" })).Use;
        Assert.Equal(BreakGlassState.Asked, asked.State);
        await RefusedAsync(Reason.AccessDenied, alarms.ListAlarmsAsync(new()));

        var open = (await ben.ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = asked.Id })).Use;
        Assert.Equal((BreakGlassState.Open, "ben", TimeSpan.FromMinutes(60)), (open.State, open.ConfirmedBy, open.EndTime.ToDateTimeOffset() - open.OpenTime.ToDateTimeOffset()));
        var alarm = Assert.Single((await alarms.ListAlarmsAsync(new())).Alarms);
        Assert.Equal(("break-glass-open", "ada"), (alarm.Kind, alarm.Subject));
        Assert.Contains("the issuer of tokens is down", alarm.Message, StringComparison.Ordinal);
        await RefusedAsync(Reason.AccessDenied, new AlarmsClient(host.As("ben")).ListAlarmsAsync(new()));
        // It gives what is configured and nothing beside it.
        await RefusedAsync(Reason.AccessDenied, alarms.AcknowledgeAlarmAsync(new() { RequestId = NewId(), Id = alarm.Id, Note = "seen" }));
        // What a grant gives is not on record as an emergency.
        await new AccessClient(host.As("ada")).ListPrincipalsAsync(new());

        host.Time.Advance(TimeSpan.FromMinutes(60) - TimeSpan.FromTicks(1));
        await alarms.ListAlarmsAsync(new());
        host.Time.Advance(TimeSpan.FromTicks(1));
        await RefusedAsync(Reason.AccessDenied, alarms.ListAlarmsAsync(new()));
        await host.BreakGlass.LookAsync(CancellationToken.None);
        Assert.False(host.Alarms.View.Find(AlarmKind.BreakGlassOpen, "ada")!.Stands);
        Assert.True(host.Alarms.View.Find(AlarmKind.BreakGlassReviewDue, open.Id)!.Stands);

        var records = await host.RecordsAsync();
        Assert.Contains($"break-glass-asked Success ada mtls  {open.Id}: the issuer of tokens is down", records);
        Assert.Contains($"break-glass-confirmed Success ben mtls  {open.Id} of ada: the issuer of tokens is down", records);
        Assert.Contains("alarms-listed Success ada mtls+break-glass  ", records);
        Assert.Contains("principals-listed Success ada mtls  ", records);
        Assert.Contains($"break-glass-ended Success    {open.Id} of ada, by its time", records);
    }

    [Fact]
    public async Task Until_an_officer_who_had_no_part_has_reviewed_it_there_is_no_other()
    {
        await using var host = await StartAsync(false, "ada", "ben", "cyd");
        var id = await OpenAsync(host, "ada", "ben");
        var cyd = new BreakGlassClient(host.As("cyd"));
        ReviewBreakGlassRequest Review() => new() { RequestId = NewId(), Id = id, Verdict = BreakGlassVerdict.Justified, Note = "the records fit the reason" };
        await RefusedAsync(Reason.InvalidArgument, cyd.ReviewBreakGlassAsync(Review()));
        host.Time.Advance(TimeSpan.FromHours(1));

        // Also before anybody has written that it is over.
        await RefusedAsync(Reason.ReviewOutstanding, new BreakGlassClient(host.As("ada")).AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "again" }));
        await RefusedAsync(Reason.ReviewOutstanding, cyd.AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "mine" }));
        await host.BreakGlass.LookAsync(CancellationToken.None);
        await RefusedAsync(Reason.ReviewOutstanding, cyd.AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "mine" }));
        await RefusedAsync(Reason.AccessDenied, new BreakGlassClient(host.As("ada")).ReviewBreakGlassAsync(Review()));
        await RefusedAsync(Reason.AccessDenied, new BreakGlassClient(host.As("ben")).ReviewBreakGlassAsync(Review()));
        var reviewed = (await cyd.ReviewBreakGlassAsync(Review())).Use;
        Assert.Equal((BreakGlassState.Reviewed, "cyd", BreakGlassVerdict.Justified), (reviewed.State, reviewed.ReviewedBy, reviewed.Verdict));
        Assert.False(host.Alarms.View.Find(AlarmKind.BreakGlassReviewDue, id)!.Stands);
        await RefusedAsync(Reason.InvalidArgument, cyd.ReviewBreakGlassAsync(Review()));

        await OpenAsync(host, "ada", "ben");
        Assert.Equal(2, (await cyd.ListBreakGlassAsync(new())).Uses.Count);
    }

    [Fact]
    public async Task Nobody_confirms_oneself_nor_later_than_15_minutes_nor_twice()
    {
        await using var host = await StartAsync(false, "ada", "ben");
        var (ada, ben) = (new BreakGlassClient(host.As("ada")), new BreakGlassClient(host.As("ben")));
        var first = (await ada.AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "one" })).Use.Id;
        await RefusedAsync(Reason.AccessDenied, ada.ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = first }));
        host.Time.Advance(TimeSpan.FromMinutes(15));
        await RefusedAsync(Reason.InvalidArgument, ben.ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = first }));
        var second = (await ada.AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "two" })).Use.Id;
        await ben.ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = second });
        await RefusedAsync(Reason.InvalidArgument, ben.ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = second }));
        await RefusedAsync(Reason.AlreadyExists, ada.AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "three" }));
        await RefusedAsync(Reason.NotFound, ben.ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = "0123456789abcdef" }));
    }

    [Fact]
    public async Task Its_person_ends_it_earlier()
    {
        await using var host = await StartAsync(false, "ada", "ben");
        var id = await OpenAsync(host, "ada", "ben");
        await RefusedAsync(Reason.InvalidArgument, new BreakGlassClient(host.As("ben")).EndBreakGlassAsync(new() { RequestId = NewId(), Id = id }));
        await new BreakGlassClient(host.As("ada")).EndBreakGlassAsync(new() { RequestId = NewId(), Id = id });
        await RefusedAsync(Reason.AccessDenied, new AlarmsClient(host.As("ada")).ListAlarmsAsync(new()));
        Assert.True(host.Alarms.View.Find(AlarmKind.BreakGlassReviewDue, id)!.Stands);
    }

    [Fact]
    public async Task A_stream_that_it_gave_ends_with_it()
    {
        await using var host = await StartAsync(false, "ada", "ben");
        await OpenAsync(host, "ada", "ben");
        using var watch = await SessionTests.OpenedAsync(host.As("ada"));
        host.Time.Advance(TimeSpan.FromHours(1));
        await SessionTests.EndedAsync(watch, Reason.AccessDenied);
    }

    [Fact]
    public async Task It_is_for_people()
    {
        await using var host = await StartAsync(false, "service-ehr");
        await RefusedAsync(Reason.AccessDenied, new BreakGlassClient(host.As("service-ehr")).AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "one" }));
    }

    [Fact]
    public async Task The_two_envelopes_stand_for_second_person_and_session_once_and_never_for_a_fresh_code()
    {
        await using var host = await StartAsync(true, "ada", "ada:other", "ben");
        var officer = host.As("ben", await host.LoginAsync("ben", await host.EnrolAsync("ben")));
        var codes = await new BreakGlassClient(officer).SealBreakGlassAsync(new());
        Assert.Equal((26, 26), (codes.FirstCode.Length, codes.SecondCode.Length));
        // What is stored is neither code.
        Assert.Equal(0L, host.File.Ask<long>($"SELECT COUNT(*) FROM break_glass_envelopes WHERE instr(first, x'{Convert.ToHexString(codes.FirstCode.Span)}') > 0"));

        var alarms = new AlarmsClient(host.As("ada"));
        await RefusedAsync(Reason.SessionRequired, alarms.ListAlarmsAsync(new()));
        var opened = (await new BreakGlassClient(host.As("ada")).OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.SecondCode))).Use;
        Assert.Equal((true, BreakGlassState.Open, ""), (opened.Sealed, opened.State, opened.ConfirmedBy));
        Assert.Contains((await alarms.ListAlarmsAsync(new())).Alarms, alarm => alarm.Kind == "break-glass-open");
        await new AccessClient(host.As("ada")).ListPrincipalsAsync(new());
        // Neither privileges nor export nor destruction, and over this certificate alone.
        await RefusedAsync(Reason.StepUpRequired, new AccessClient(host.As("ada")).CreatePrincipalAsync(new() { RequestId = NewId(), Name = "one" }));
        await RefusedAsync(Reason.SessionRequired, new AlarmsClient(host.As("ada:other")).ListAlarmsAsync(new()));

        host.Time.Advance(TimeSpan.FromHours(1));
        await RefusedAsync(Reason.SessionRequired, alarms.ListAlarmsAsync(new()));
        await RefusedAsync(Reason.ReviewOutstanding, new BreakGlassClient(host.As("ada")).OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.SecondCode)));
        var records = await host.RecordsAsync();
        Assert.Contains("alarms-listed Success ada mtls+sealed+break-glass  ", records);
        Assert.Contains("principals-listed Success ada mtls+sealed  ", records);
    }

    [Fact]
    public async Task Envelopes_are_good_once()
    {
        await using var host = await StartAsync(false, "ada", "ben", "cyd");
        var codes = await new BreakGlassClient(host.As("ben")).SealBreakGlassAsync(new());
        var id = (await new BreakGlassClient(host.As("ada")).OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.SecondCode))).Use.Id;
        Assert.True(host.Alarms.View.Find(AlarmKind.EnvelopesSpent, "envelopes")!.Stands);
        await new BreakGlassClient(host.As("ada")).EndBreakGlassAsync(new() { RequestId = NewId(), Id = id });
        await new BreakGlassClient(host.As("cyd")).ReviewBreakGlassAsync(new() { RequestId = NewId(), Id = id, Verdict = BreakGlassVerdict.NotJustified, Note = "a drill" });
        await RefusedAsync(Reason.SecondFactorRefused, new BreakGlassClient(host.As("ada")).OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.SecondCode)));
        await new BreakGlassClient(host.As("ben")).SealBreakGlassAsync(new());
        Assert.False(host.Alarms.View.Find(AlarmKind.EnvelopesSpent, "envelopes")!.Stands);
    }

    [Fact]
    public async Task One_envelope_opens_nothing_and_three_wrong_attempts_use_both_up()
    {
        await using var host = await StartAsync(false, "ada", "ben");
        var old = await new BreakGlassClient(host.As("ben")).SealBreakGlassAsync(new());
        var codes = await new BreakGlassClient(host.As("ben")).SealBreakGlassAsync(new());
        var ada = new BreakGlassClient(host.As("ada"));
        await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSealedBreakGlassAsync(Sealed(old.FirstCode, old.SecondCode)));
        await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.FirstCode)));
        await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSealedBreakGlassAsync(Sealed(codes.SecondCode, codes.FirstCode)));
        Assert.Equal(AlarmKind.EnvelopesSpent, Assert.Single(host.Alarms.View.Open()).Kind);
        await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.SecondCode)));
    }

    [Theory]
    [InlineData("UPDATE break_glass_uses SET state = 4")]
    [InlineData("DELETE FROM break_glass_uses")]
    [InlineData("UPDATE break_glass_uses SET ends_at = ends_at + 3600000000000")]
    public async Task A_use_changed_or_removed_outside_the_service_is_found_before_the_next_one(string sql)
    {
        await using var host = await StartAsync(false, "ada", "ben");
        await OpenAsync(host, "ada", "ben");
        host.Time.Advance(TimeSpan.FromHours(2));
        host.File.Edit(sql);
        await RefusedAsync(Reason.StoreTampered, new BreakGlassClient(host.As("ada")).AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "again" }));
    }

    [Fact]
    public async Task Envelopes_made_usable_again_outside_the_service_open_nothing()
    {
        await using var host = await StartAsync(false, "ada", "ben");
        var codes = await new BreakGlassClient(host.As("ben")).SealBreakGlassAsync(new());
        await new BreakGlassClient(host.As("ben")).SealBreakGlassAsync(new());
        host.File.Edit("UPDATE break_glass_envelopes SET ended_at = CASE WHEN ended_at IS NULL THEN 1 END");
        await RefusedAsync(Reason.StoreTampered, new BreakGlassClient(host.As("ada")).OpenSealedBreakGlassAsync(Sealed(codes.FirstCode, codes.SecondCode)));
    }

    [Fact]
    public async Task With_second_factors_required_asking_and_confirming_take_fresh_codes()
    {
        await using var host = await StartAsync(true, "ada", "ben");
        var (adasSeed, bensSeed) = (await host.EnrolAsync("ada"), await host.EnrolAsync("ben"));
        var (ada, ben) = (host.As("ada", await host.LoginAsync("ada", adasSeed)), host.As("ben", await host.LoginAsync("ben", bensSeed)));
        host.Time.Advance(SessionLimits.Fresh);
        await RefusedAsync(Reason.StepUpRequired, new BreakGlassClient(ada).AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "one" }));
        await new SessionsClient(ada).ConfirmSessionAsync(new() { Code = host.Code(adasSeed) });
        var id = (await new BreakGlassClient(ada).AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "one" })).Use.Id;
        await RefusedAsync(Reason.StepUpRequired, new BreakGlassClient(ben).ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = id }));
        await new SessionsClient(ben).ConfirmSessionAsync(new() { Code = host.Code(bensSeed) });
        await new BreakGlassClient(ben).ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = id });
        await new AlarmsClient(ada).ListAlarmsAsync(new());
    }

    private static async Task<string> OpenAsync(SessionHost host, string who, string second)
    {
        var asked = await new BreakGlassClient(host.As(who)).AskBreakGlassAsync(new() { RequestId = NewId(), Reason = "an emergency" });
        return (await new BreakGlassClient(host.As(second)).ConfirmBreakGlassAsync(new() { RequestId = NewId(), Id = asked.Use.Id })).Use.Id;
    }

    private static OpenSealedBreakGlassRequest Sealed(ByteString first, ByteString second) => new() { Reason = "nobody else is here", FirstCode = first, SecondCode = second };

    private static string NewId() => Guid.NewGuid().ToString();
}
