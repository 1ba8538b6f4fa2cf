namespace KeyService.IntegrationTests.BadDays;

/// <summary>The HSM under the running server dies, is unplugged, answers nonsense, is exchanged; and comes back.</summary>
public sealed class HsmAwayTests(HsmService hsm) : IClassFixture<HsmService>
{
    private static int number;

    [Fact]
    public Task An_HSM_that_is_pulled_out_and_put_back() =>
        hsm.SurvivesAsync(() => hsm.Hsm.Write("token removed"), hsm.Hsm.Clear, "The token is lost");

    [Fact]
    public Task An_HSM_that_answers_DEVICE_ERROR_to_everything() =>
        hsm.SurvivesAsync(() => hsm.Hsm.Fail("*", "CKR_DEVICE_ERROR"), hsm.Hsm.Clear, "CKR_DEVICE_ERROR");

    [Fact]
    public Task An_HSM_that_answers_GENERAL_ERROR_to_everything() =>
        hsm.SurvivesAsync(() => hsm.Hsm.Fail("*", "CKR_GENERAL_ERROR"), hsm.Hsm.Clear, "CKR_GENERAL_ERROR");

    [Fact]
    public Task An_HSM_without_a_session_to_give() => hsm.SurvivesAsync(
        () => hsm.Hsm.Write("sessions 1", $"disconnect {Interlocked.Increment(ref number)}"), hsm.Hsm.Clear, "CKR_SESSION_COUNT");

    [Fact]
    public async Task An_HSM_that_is_replaced_by_one_with_another_root()
    {
        // Same label, and the PIN file has its PIN: everything but the root key is as it should be.
        var other = Path.Combine(hsm.Service.Directory, "other");
        await Executables.MakeTokenAsync(other);
        var configuration = hsm.Service.WriteConfig(
            config =>
            {
                ((Dictionary<string, object?>)config["hsm"]!)["pinFile"] = "other/pin";
                config["store"] = new Dictionary<string, object?> { ["sqlite"] = "other/keyservice.db" };
                config["dataDirectory"] = "other";
            },
            "other.json");
        (await Executables.RunServerAsync(
            ["init", "--config", configuration, "--admin-name", "impostor", "--admin-certificate-uri", "keyservice:principal/impostor"],
            new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = Path.Combine(other, "softhsm2.conf") })).ExpectExit(0);

        await hsm.SurvivesAsync(
            () =>
            {
                Exchange(other);
                hsm.Hsm.Write($"restart {Interlocked.Increment(ref number)}"); // SoftHSM knows its objects by heart until it is initialised anew
            },
            () => Exchange(other),
            "anary key");
    }

    [Fact]
    public async Task A_power_cycle_and_a_lost_connection_are_mended_before_anybody_is_refused()
    {
        var (wrapped, _) = await hsm.IssueAsync();
        foreach (var statement in new[] { "restart", "disconnect" })
        {
            hsm.Hsm.Write($"{statement} {Interlocked.Increment(ref number)}");
            await Task.WhenAll(Enumerable.Range(0, 20).Select(i => i % 2 == 0 ? (Task)hsm.UnwrapAsync(wrapped) : hsm.IssueAsync()));
            await hsm.WorksAsync();
        }
    }

    [Fact]
    public async Task Fewer_sessions_than_calls_make_calls_wait_and_not_fail()
    {
        hsm.Hsm.Write("sessions 3", $"disconnect {Interlocked.Increment(ref number)}");
        try
        {
            await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => hsm.IssueAsync()));
            await hsm.WorksAsync();
        }
        finally
        {
            hsm.Hsm.Clear();
        }
    }

    [Fact]
    public async Task A_slow_HSM_makes_calls_slow_and_nothing_else()
    {
        hsm.Hsm.Write("latency * lognormal 10ms 0.8");
        try
        {
            await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => hsm.IssueAsync()));
            await hsm.WorksAsync();
            Assert.DoesNotContain("HSM Hung", hsm.Service.ServerLog, StringComparison.Ordinal);
        }
        finally
        {
            hsm.Hsm.Clear();
        }
    }

    private void Exchange(string other)
    {
        foreach (var name in new[] { "tokens", "pin" })
        {
            var (here, there) = (Path.Combine(hsm.Service.Directory, name), Path.Combine(other, name));
            Directory.Move(here, here + ".kept");
            Directory.Move(there, here);
            Directory.Move(here + ".kept", there);
        }
    }
}
