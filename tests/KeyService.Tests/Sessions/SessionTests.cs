using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Alarms;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using static KeyService.Tests.Sessions.SessionHost;
using AccessClient = KeyService.Protocol.V1.Access.AccessClient;
using SecondFactorState = KeyService.Protocol.V1.SecondFactorState;
using SessionsClient = KeyService.Protocol.V1.Sessions.SessionsClient;

namespace KeyService.Tests.Sessions;

/// <summary>Second factors and sessions of people, over the real pipeline and store.</summary>
public sealed class SessionTests
{
    [Fact]
    public async Task A_person_without_a_session_is_refused_everything_and_a_service_is_not()
    {
        await using var host = await StartAsync(true, "ada", "service-ehr");
        var ada = host.As("ada");
        await RefusedAsync(Reason.SessionRequired, new AccessClient(ada).WhoAmIAsync(new()));
        await RefusedAsync(Reason.SessionRequired, new AccessClient(ada).ListPrincipalsAsync(new()));
        await RefusedAsync(Reason.SessionRequired, new SessionsClient(ada).GetOwnSessionAsync(new()));
        await RefusedAsync(Reason.SessionRequired, new SessionsClient(ada).ConfirmSessionAsync(new() { Code = ByteString.CopyFromUtf8("123456") }));
        await new AccessClient(host.As("service-ehr")).WhoAmIAsync(new());
        await RefusedAsync(Reason.AccessDenied, new SessionsClient(host.As("service-ehr")).OfferSecondFactorAsync(new()));
        Assert.Contains("own-access-read Refused ada mtls SESSION_REQUIRED without a session", await host.RecordsAsync());
    }

    [Fact]
    public async Task Enrolling_takes_the_seed_and_a_first_right_code_and_opens_a_session()
    {
        await using var host = await StartAsync(true, "ada");
        var sessions = new SessionsClient(host.As("ada"));
        var offer = await sessions.OfferSecondFactorAsync(new());
        Assert.Equal((20, "KeyService 00000000", "ada"), (offer.Seed.Length, offer.Issuer, offer.Account));
        var seed = offer.Seed.ToByteArray();
        await RefusedAsync(Reason.SecondFactorRefused, sessions.OpenSessionAsync(new() { Code = host.Code(seed) }));

        var active = await sessions.ActivateSecondFactorAsync(new() { Code = host.Code(seed) });
        Assert.Equal("ada", (await new AccessClient(host.As("ada", active.Token)).WhoAmIAsync(new())).Principal.Name);
        await RefusedAsync(Reason.AlreadyExists, sessions.OfferSecondFactorAsync(new()));
        // What is stored is neither seed nor token.
        Assert.Equal(0L, host.File.Ask<long>($"SELECT COUNT(*) FROM second_factors WHERE instr(seed, x'{Convert.ToHexString(seed)}') > 0"));
        Assert.Equal(0L, host.File.Ask<long>($"SELECT COUNT(*) FROM person_sessions WHERE token_hash = '{Convert.ToHexStringLower(active.Token.Span)}'"));
        Assert.Equal(1L, host.File.Ask<long>($"SELECT COUNT(*) FROM person_sessions WHERE token_hash = '{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(active.Token.Span))}'"));
        Assert.Contains($"second-factor-activated Success ada mtls+totp-fresh  session {active.Session.Id}", await host.RecordsAsync());
    }

    [Fact]
    public async Task A_code_is_good_once_also_the_one_that_activated()
    {
        await using var host = await StartAsync(true, "ada");
        var sessions = new SessionsClient(host.As("ada"));
        var seed = (await sessions.OfferSecondFactorAsync(new())).Seed.ToByteArray();
        var code = host.Code(seed);
        await sessions.ActivateSecondFactorAsync(new() { Code = code });
        await RefusedAsync(Reason.SecondFactorRefused, sessions.OpenSessionAsync(new() { Code = code }));
        // An earlier step than the last one taken is used up with it.
        await RefusedAsync(Reason.SecondFactorRefused, sessions.OpenSessionAsync(new() { Code = host.Code(seed, -1) }));
        await sessions.OpenSessionAsync(new() { Code = host.Code(seed, +1) });
    }

    [Theory]
    [InlineData(-2, false)]
    [InlineData(-1, true)]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public async Task A_code_may_be_one_step_early_or_late(int later, bool taken)
    {
        await using var host = await StartAsync(true, "ada");
        var seed = await host.EnrolAsync("ada");
        host.Time.Advance(TimeSpan.FromMinutes(5));
        var sessions = new SessionsClient(host.As("ada"));
        var call = sessions.OpenSessionAsync(new() { Code = host.Code(seed, later) });
        if (taken)
        {
            await call;
        }
        else
        {
            await RefusedAsync(Reason.SecondFactorRefused, call);
        }
    }

    [Fact]
    public async Task Two_servers_take_a_code_once_between_them()
    {
        await using var host = await StartAsync(true, "ada");
        var seed = await host.EnrolAsync("ada");
        var code = host.Code(seed);
        // Changes run one after another whichever server they come from; here: calls at the same time.
        var calls = Enumerable.Range(0, 8).Select(_ => new SessionsClient(host.As("ada")).OpenSessionAsync(new() { Code = code }).ResponseAsync).ToList();
        var results = await Task.WhenAll(calls.Select(async call =>
        {
            try
            {
                await call;
                return true;
            }
            catch (RpcException)
            {
                return false;
            }
        }));
        Assert.Equal(1, results.Count(opened => opened));
    }

    [Fact]
    public async Task Three_wrong_codes_lock_end_the_sessions_and_alarm_and_another_officer_unlocks()
    {
        await using var host = await StartAsync(true, "ada", "ben");
        var seed = await host.EnrolAsync("ada");
        var session = await host.LoginAsync("ada", seed);
        var officer = await host.LoginAsync("ben", await host.EnrolAsync("ben"));
        var ada = new SessionsClient(host.As("ada"));
        await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSessionAsync(new() { Code = host.WrongCode(seed) }));
        await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSessionAsync(new() { Code = host.WrongCode(seed) }));
        Assert.Empty(host.Alarms.View.Open());
        await RefusedAsync(Reason.SecondFactorLocked, ada.OpenSessionAsync(new() { Code = host.WrongCode(seed) }));
        var alarm = Assert.Single(host.Alarms.View.Open());
        Assert.Equal((AlarmKind.PersonLocked, "ada"), (alarm.Kind, alarm.Subject));
        Assert.Contains("session-opened Refused ada mtls SECOND_FACTOR_LOCKED the third wrong code in a row: locked", await host.RecordsAsync());

        // The right code does not help, nor does the session that was open.
        await RefusedAsync(Reason.SecondFactorLocked, ada.OpenSessionAsync(new() { Code = host.Code(seed) }));
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada", session)).WhoAmIAsync(new()));
        await RefusedAsync(Reason.AlreadyExists, ada.OfferSecondFactorAsync(new()));

        var ben = new SessionsClient(host.As("ben", officer));
        var unlocked = await ben.UnlockPersonAsync(new() { RequestId = NewId(), Principal = "ada" });
        Assert.Equal((0, null), (unlocked.SecondFactor.Failures, unlocked.SecondFactor.LockTime));
        Assert.False(host.Alarms.View.Find(AlarmKind.PersonLocked, "ada")!.Stands);
        await ada.OpenSessionAsync(new() { Code = host.Code(seed) });
    }

    [Fact]
    public async Task A_right_code_forgets_the_wrong_ones_before_it()
    {
        await using var host = await StartAsync(true, "ada");
        var seed = await host.EnrolAsync("ada");
        var ada = new SessionsClient(host.As("ada"));
        for (var round = 0; round < 3; round++)
        {
            await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSessionAsync(new() { Code = host.WrongCode(seed) }));
            await RefusedAsync(Reason.SecondFactorRefused, ada.OpenSessionAsync(new() { Code = host.WrongCode(seed) }));
            await host.LoginAsync("ada", seed);
        }
    }

    [Fact]
    public async Task Guesses_at_the_same_time_are_counted_one_by_one()
    {
        await using var host = await StartAsync(true, "ada");
        var seed = await host.EnrolAsync("ada");
        var wrong = host.WrongCode(seed);
        var calls = Enumerable.Range(0, 20).Select(_ => new SessionsClient(host.As("ada")).OpenSessionAsync(new() { Code = wrong }).ResponseAsync).ToList();
        await Task.WhenAll(calls.Select(call => Assert.ThrowsAsync<RpcException>(() => call)));
        Assert.Equal(3L, host.File.Ask<long>("SELECT failures FROM second_factors WHERE principal = 'ada'"));
    }

    [Fact]
    public async Task Another_seed_is_no_way_around_the_count()
    {
        await using var host = await StartAsync(true, "ada");
        var ada = new SessionsClient(host.As("ada"));
        for (var i = 0; i < 3; i++)
        {
            var seed = (await ada.OfferSecondFactorAsync(new())).Seed.ToByteArray();
            await RefusedAsync(i < 2 ? Reason.SecondFactorRefused : Reason.SecondFactorLocked, ada.ActivateSecondFactorAsync(new() { Code = host.WrongCode(seed) }));
        }

        await RefusedAsync(Reason.SecondFactorLocked, ada.OfferSecondFactorAsync(new()));
    }

    [Fact]
    public async Task A_session_over_another_certificate_is_refused_and_alarms()
    {
        await using var host = await StartAsync(true, "ada", "ada:stolen", "ben");
        var seed = await host.EnrolAsync("ada");
        var session = await host.LoginAsync("ada", seed);
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada:stolen", session)).WhoAmIAsync(new()));
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ben", session)).WhoAmIAsync(new()));
        Assert.Equal((AlarmKind.SessionReplayed, "ada"), (Assert.Single(host.Alarms.View.Open()).Kind, host.Alarms.View.Open()[0].Subject));
        Assert.Contains($"own-access-read Refused ada mtls SESSION_REQUIRED with session {session.Session.Id} of another certificate", await host.RecordsAsync());
        Assert.Contains("own-access-read Refused ben mtls SESSION_REQUIRED with a session that is not this person's", await host.RecordsAsync());
        await new AccessClient(host.As("ada", session)).WhoAmIAsync(new());
    }

    [Fact]
    public async Task A_session_ends_15_minutes_after_its_last_use_and_is_then_over_for_good()
    {
        await using var host = await StartAsync(true, "ada");
        var session = await host.LoginAsync("ada", await host.EnrolAsync("ada"));
        var ada = new AccessClient(host.As("ada", session));
        for (var i = 0; i < 4; i++)
        {
            host.Time.Advance(TimeSpan.FromMinutes(14));
            await ada.WhoAmIAsync(new());
        }

        host.Time.Advance(SessionLimits.Idle);
        await RefusedAsync(Reason.SessionRequired, ada.WhoAmIAsync(new()));
        Assert.Contains($"session-ended Success ada   session {session.Session.Id}: Idle", await host.RecordsAsync());
        await RefusedAsync(Reason.SessionRequired, ada.WhoAmIAsync(new()));
        Assert.Equal(2L, host.File.Ask<long>($"SELECT end_reason FROM person_sessions WHERE token_hash LIKE '{session.Session.Id}%'"));
    }

    [Fact]
    public async Task Who_was_known_before_the_HSM_went_away_goes_on_until_the_session_would_have_ended_and_nobody_else()
    {
        await using var host = await StartAsync(true, "ada", "ben");
        var session = await host.LoginAsync("ada", await host.EnrolAsync("ada"));
        var ada = new AccessClient(host.As("ada", session));
        await ada.WhoAmIAsync(new());
        host.HsmIsAway = true;
        for (var minute = 2; minute <= 14; minute += 2)
        {
            host.Time.Advance(TimeSpan.FromMinutes(2));
            await ada.WhoAmIAsync(new());
        }

        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ben")).WhoAmIAsync(new()));
        await RefusedAsync(Reason.HsmUnavailable, new SessionsClient(host.As("ben")).OfferSecondFactorAsync(new()));
        // None of the uses could be written.
        host.Time.Advance(TimeSpan.FromMinutes(1));
        await RefusedAsync(Reason.SessionRequired, ada.WhoAmIAsync(new()));
        host.HsmIsAway = false;
        await RefusedAsync(Reason.SessionRequired, ada.WhoAmIAsync(new()));
        Assert.Contains($"session-ended Success ada   session {session.Session.Id}: Idle", await host.RecordsAsync());
    }

    [Fact]
    public async Task A_session_ends_after_8_hours_whatever_is_done_in_it()
    {
        await using var host = await StartAsync(true, "ada");
        var session = await host.LoginAsync("ada", await host.EnrolAsync("ada"));
        var ada = new AccessClient(host.As("ada", session));
        var end = session.Session.ExpireTime.ToDateTimeOffset();
        while (host.Time.GetUtcNow() + TimeSpan.FromMinutes(10) < end)
        {
            host.Time.Advance(TimeSpan.FromMinutes(10));
            await ada.WhoAmIAsync(new());
        }

        host.Time.Advance(end - host.Time.GetUtcNow());
        await RefusedAsync(Reason.SessionRequired, ada.WhoAmIAsync(new()));
    }

    [Fact]
    public async Task A_session_ends_by_its_person_by_an_officer_and_with_the_principal()
    {
        await using var host = await StartAsync(true, "ada", "ben");
        var seed = await host.EnrolAsync("ada");
        var closed = await host.LoginAsync("ada", seed);
        var ended = await host.LoginAsync("ada", seed);
        var disabled = await host.LoginAsync("ada", seed);
        var ben = host.As("ben", await host.LoginAsync("ben", await host.EnrolAsync("ben")));

        await new SessionsClient(host.As("ada", closed)).CloseSessionAsync(new());
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada", closed)).WhoAmIAsync(new()));

        // The first one is of the enrolment.
        var list = (await new SessionsClient(ben).ListSessionsAsync(new() { Principal = "ada" })).Sessions;
        Assert.Equal(3, list.Count);
        Assert.Contains(list, each => each.Id == ended.Session.Id);
        await new SessionsClient(ben).EndSessionAsync(new() { RequestId = NewId(), Id = ended.Session.Id });
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada", ended)).WhoAmIAsync(new()));
        await RefusedAsync(Reason.NotFound, new SessionsClient(ben).EndSessionAsync(new() { RequestId = NewId(), Id = ended.Session.Id }));

        await new AccessClient(ben).DisablePrincipalAsync(new() { RequestId = NewId(), Name = "ada" });
        await RefusedAsync(Reason.UnknownPrincipal, new AccessClient(host.As("ada", disabled)).WhoAmIAsync(new()));
        Assert.Empty((await new SessionsClient(ben).ListSessionsAsync(new() { Principal = "ada" })).Sessions);
    }

    [Fact]
    public async Task What_changes_privileges_asks_for_a_fresh_code()
    {
        await using var host = await StartAsync(true, "ada");
        var seed = await host.EnrolAsync("ada");
        var invoker = host.As("ada", await host.LoginAsync("ada", seed));
        var access = new AccessClient(invoker);
        CreatePrincipalRequest Request(string name) => new()
        {
            RequestId = NewId(), Name = name, Type = PrincipalType.Service, Credential = new() { CertificateSanUri = $"keyservice:principal/{name}" },
        };
        await access.CreatePrincipalAsync(Request("one"));
        host.Time.Advance(SessionLimits.Fresh);
        await RefusedAsync(Reason.StepUpRequired, access.CreatePrincipalAsync(Request("two")));
        await access.ListPrincipalsAsync(new());
        await RefusedAsync(Reason.SecondFactorRefused, new SessionsClient(invoker).ConfirmSessionAsync(new() { Code = host.WrongCode(seed) }));
        await RefusedAsync(Reason.StepUpRequired, access.CreatePrincipalAsync(Request("two")));
        await new SessionsClient(invoker).ConfirmSessionAsync(new() { Code = host.Code(seed) });
        await access.CreatePrincipalAsync(Request("two"));
        var records = await host.RecordsAsync();
        Assert.Contains(records, line => line.StartsWith("principal-created Refused ada mtls+totp STEP_UP_REQUIRED", StringComparison.Ordinal));
        Assert.Contains(records, line => line.StartsWith("principals-listed Success ada mtls+totp ", StringComparison.Ordinal));
        Assert.Contains(records, line => line.StartsWith("principal-created Success ada mtls+totp-fresh ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_lost_second_factor_takes_two_other_officers_each_recorded()
    {
        await using var host = await StartAsync(true, "ada", "ben", "cyd");
        var adasSeed = await host.EnrolAsync("ada");
        var ada = await host.LoginAsync("ada", adasSeed);
        var ben = new SessionsClient(host.As("ben", await host.LoginAsync("ben", await host.EnrolAsync("ben"))));
        var cyd = new SessionsClient(host.As("cyd", await host.LoginAsync("cyd", await host.EnrolAsync("cyd"))));
        ResetSecondFactorRequest Request() => new() { RequestId = NewId(), Principal = "ada" };

        await RefusedAsync(Reason.AccessDenied, new SessionsClient(host.As("ada", ada)).ResetSecondFactorAsync(Request()));
        Assert.Equal("ben", (await ben.ResetSecondFactorAsync(Request())).SecondFactor.ResetAskedBy);
        // The same officer twice is one officer.
        Assert.Equal(SecondFactorState.Active, (await ben.ResetSecondFactorAsync(Request())).SecondFactor.State);
        await new AccessClient(host.As("ada", ada)).WhoAmIAsync(new());
        Assert.Equal(SecondFactorState.Removed, (await cyd.ResetSecondFactorAsync(Request())).SecondFactor.State);

        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada", ada)).WhoAmIAsync(new()));
        await RefusedAsync(Reason.SecondFactorRefused, new SessionsClient(host.As("ada")).OpenSessionAsync(new() { Code = host.Code(adasSeed) }));
        await host.EnrolAsync("ada");
        var records = await host.RecordsAsync();
        Assert.Contains("second-factor-reset Success ben mtls+totp-fresh  ben asks to take the second factor of ada away; another officer confirms", records);
        Assert.Contains("second-factor-reset Success cyd mtls+totp-fresh  second factor of ada taken away; ben asked for it, cyd confirmed", records);
        Assert.Contains(records, line => line.StartsWith("second-factor-reset Refused ada ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_request_to_reset_that_nobody_confirmed_within_a_day_is_asked_anew()
    {
        await using var host = await StartAsync(false, "ada", "ben", "cyd");
        await host.EnrolAsync("ada");
        await new SessionsClient(host.As("ben")).ResetSecondFactorAsync(new() { RequestId = NewId(), Principal = "ada" });
        host.Time.Advance(SessionLimits.ResetConfirmation);
        Assert.Equal("", Assert.Single((await new SessionsClient(host.As("cyd")).ListSecondFactorsAsync(new())).SecondFactors).ResetAskedBy);
        var answer = (await new SessionsClient(host.As("cyd")).ResetSecondFactorAsync(new() { RequestId = NewId(), Principal = "ada" })).SecondFactor;
        Assert.Equal((SecondFactorState.Active, "cyd"), (answer.State, answer.ResetAskedBy));
    }

    [Fact]
    public async Task Nobody_unlocks_oneself()
    {
        await using var host = await StartAsync(false, "ada");
        await RefusedAsync(Reason.AccessDenied, new SessionsClient(host.As("ada")).UnlockPersonAsync(new() { RequestId = NewId(), Principal = "ada" }));
    }

    [Fact]
    public async Task Where_it_is_optional_those_who_enrolled_need_a_session_and_the_others_none()
    {
        await using var host = await StartAsync(false, "ada", "ben");
        await new AccessClient(host.As("ada")).WhoAmIAsync(new());
        var seed = await host.EnrolAsync("ada");
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada")).WhoAmIAsync(new()));
        await new AccessClient(host.As("ada", await host.LoginAsync("ada", seed))).WhoAmIAsync(new());
        await new AccessClient(host.As("ben")).CreatePrincipalAsync(new()
        {
            RequestId = NewId(), Name = "one", Type = PrincipalType.Service, Credential = new() { CertificateSanUri = "keyservice:principal/one" },
        });
    }

    [Theory]
    [InlineData("UPDATE second_factors SET last_step = last_step - 10")]
    [InlineData("UPDATE second_factors SET locked_at = NULL, failures = 0, revision = revision + 1")]
    [InlineData("UPDATE second_factors SET state = 3")]
    [InlineData("UPDATE second_factors SET seed = (SELECT seed FROM second_factors WHERE principal = 'ben') WHERE principal = 'ada'")]
    [InlineData("DELETE FROM second_factors WHERE principal = 'ada'")]
    public async Task A_second_factor_changed_outside_the_service_is_not_used(string sql)
    {
        await using var host = await StartAsync(false, "ada", "ben");
        var seed = await host.EnrolAsync("ada");
        await host.EnrolAsync("ben");
        host.File.Edit(sql);
        await RefusedAsync(Reason.StoreTampered, new SessionsClient(host.As("ada")).OpenSessionAsync(new() { Code = host.Code(seed) }));
        await RefusedAsync(Reason.StoreTampered, new SessionsClient(host.As("ada")).OfferSecondFactorAsync(new()));
        await RefusedAsync(Reason.StoreTampered, new AccessClient(host.As("ada")).WhoAmIAsync(new()));
    }

    [Theory]
    [InlineData("last_used_at = last_used_at + 1000000000")]
    [InlineData("principal = 'ben'")]
    [InlineData("binding = 'key:00'")]
    [InlineData("proven_at = proven_at + 60000000000")]
    [InlineData("opened_at = opened_at + 60000000000")]
    public async Task A_session_changed_outside_the_service_is_not_used(string change)
    {
        await using var host = await StartAsync(true, "ada", "ben");
        var session = await host.LoginAsync("ada", await host.EnrolAsync("ada"));
        host.File.Edit($"UPDATE person_sessions SET {change} WHERE token_hash LIKE '{session.Session.Id}%'");
        await RefusedAsync(Reason.StoreTampered, new AccessClient(host.As("ada", session)).WhoAmIAsync(new()));
    }

    [Fact]
    public async Task A_session_put_back_to_before_its_end_does_not_come_to_life()
    {
        await using var host = await StartAsync(true, "ada");
        var session = await host.LoginAsync("ada", await host.EnrolAsync("ada"));
        host.File.Edit("CREATE TABLE kept AS SELECT * FROM person_sessions");
        await new SessionsClient(host.As("ada", session)).CloseSessionAsync(new());
        host.File.Edit("DELETE FROM person_sessions; INSERT INTO person_sessions SELECT * FROM kept");
        await RefusedAsync(Reason.StoreTampered, new AccessClient(host.As("ada", session)).WhoAmIAsync(new()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(64)]
    public async Task What_is_no_token_is_no_session(int length)
    {
        await using var host = await StartAsync(true, "ada");
        await RefusedAsync(Reason.SessionRequired, new AccessClient(host.As("ada", ByteString.CopyFrom(new byte[length]))).WhoAmIAsync(new()));
    }

    [Fact]
    public async Task A_seed_opens_for_its_person_and_its_offer_alone()
    {
        var rows = KeyService.Tests.Storage.SoftwareRows.Of();
        var vault = new SeedVault(rows, new byte[16]);
        var time = DateTimeOffset.UnixEpoch.AddDays(20_000);
        var seed = Enumerable.Range(0, OneTimePassword.SeedLength).Select(i => (byte)i).ToArray();
        var box = await vault.SealAsync(seed, "ada", time);
        Assert.Equal(SeedVault.Length, box.Length);
        using (var opened = await vault.OpenAsync(box, "ada", time))
        {
            Assert.Equal(seed, opened.DangerousSpan.ToArray());
        }

        await Assert.ThrowsAsync<StoreTamperedException>(async () => await vault.OpenAsync(box, "ben", time));
        await Assert.ThrowsAsync<StoreTamperedException>(async () => await vault.OpenAsync(box, "ada", time.AddTicks(1)));
        await Assert.ThrowsAsync<StoreTamperedException>(async () => await vault.OpenAsync(box.AsMemory(0, box.Length - 1), "ada", time));
        await Assert.ThrowsAsync<StoreTamperedException>(async () => await new SeedVault(KeyService.Tests.Storage.SoftwareRows.Of(8), new byte[16]).OpenAsync(box, "ada", time));
        await Assert.ThrowsAsync<StoreTamperedException>(async () => await new SeedVault(rows, [.. new byte[15], 1]).OpenAsync(box, "ada", time));
        for (var i = 0; i < box.Length; i++)
        {
            var changed = box.ToArray();
            changed[i] ^= 1;
            await Assert.ThrowsAsync<StoreTamperedException>(async () => await vault.OpenAsync(changed, "ada", time));
        }
    }

    [Fact]
    public async Task A_stream_ends_with_its_session()
    {
        await using var host = await StartAsync(true, "ada", "ben");
        var seed = await host.EnrolAsync("ada");
        var (ended, idle) = (await host.LoginAsync("ada", seed), await host.LoginAsync("ada", seed));
        var officer = host.As("ben", await host.LoginAsync("ben", await host.EnrolAsync("ben")));
        await new AccessClient(officer).CreateGrantAsync(new() { RequestId = NewId(), Principal = "ada", KeyPattern = "*", Permissions = { "read-alarms" } });
        using var first = await OpenedAsync(host.As("ada", ended));
        using var second = await OpenedAsync(host.As("ada", idle));
        await new SessionsClient(officer).EndSessionAsync(new() { RequestId = NewId(), Id = ended.Session.Id });
        await EndedAsync(first, Reason.SessionRequired);
        await new AccessClient(host.As("ada", idle)).WhoAmIAsync(new());
        host.Time.Advance(SessionLimits.Idle);
        await EndedAsync(second, Reason.SessionRequired);
        Assert.Contains(await host.RecordsAsync(), line => line.StartsWith("alarm-watch-closed Refused ada mtls+totp-fresh SESSION_REQUIRED", StringComparison.Ordinal));
    }

    internal static async Task<AsyncServerStreamingCall<WatchAlarmsResponse>> OpenedAsync(CallInvoker caller)
    {
        var watch = new KeyService.Protocol.V1.Alarms.AlarmsClient(caller).WatchAlarms(new());
        await watch.ResponseHeadersAsync;
        return watch;
    }

    internal static async Task EndedAsync(AsyncServerStreamingCall<WatchAlarmsResponse> watch, Reason reason)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await watch.ResponseStream.MoveNext(CancellationToken.None))
            {
                // What came before.
            }
        });
        Assert.Equal(KeyService.Server.Pipeline.RefusalStatus.NameOf(reason), refused.GetRpcStatus()?.GetDetail<Google.Rpc.ErrorInfo>()?.Reason);
    }

    private static string NewId() => Guid.NewGuid().ToString();
}
