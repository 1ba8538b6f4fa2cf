namespace KeyService.IntegrationTests.BadDays;

/// <summary>The HSM misbehaves while the server starts: it says why and ends, or takes its time.</summary>
public sealed class HsmStartTests : IAsyncLifetime
{
    private readonly HsmService hsm = new();

    public async ValueTask InitializeAsync()
    {
        await hsm.SimulateAsync();
        await hsm.Service.ProvisionAsync();
    }

    public ValueTask DisposeAsync() => hsm.DisposeAsync();

    [Fact]
    public async Task A_start_with_an_HSM_that_hangs_ends_and_one_with_a_slow_HSM_works()
    {
        await RefusedAsync("hang C_Initialize", 5, "does not answer");
        hsm.Hsm.Write("latency * fixed 5ms");
        await hsm.Service.StartAsync();
        await hsm.Service.StopAsync();
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task A_start_with_an_HSM_that_is_not_well_ends_in_one_sentence()
    {
        (string Line, int Code, string Says)[] cases =
        [
            ("hang C_Login", 5, "does not answer"),
            ("token removed", 5, "has no token with label 'keyservice-test'"),
            ("fail * CKR_GENERAL_ERROR", 5, "CKR_GENERAL_ERROR"),
            ("fail C_UnwrapKey CKR_DEVICE_ERROR", 5, "CKR_DEVICE_ERROR"),
            ("sessions 0", 5, "CKR_SESSION_COUNT"),
            ("token flags 0x20000", 3, "One more wrong PIN locks the token"),
            ("spoil C_WrapKey", 5, "RFC 3394"),
        ];
        foreach (var (line, code, says) in cases)
        {
            await RefusedAsync(line, code, says);
        }
    }

    private async Task RefusedAsync(string line, int code, string says)
    {
        hsm.Hsm.Write(line);
        var start = await Executables.RunServerAsync(["serve", "--config", hsm.Service.ConfigPath], hsm.Service.ServerEnvironment, hsm.Service.Directory);
        Assert.Contains(says, start.ExpectExit(code).Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", start.Error, StringComparison.Ordinal);
    }
}
