using System.Collections.Concurrent;
using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>What a device does when it misbehaves, by a module that misbehaves on demand.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class FaultTests : IDisposable
{
    private static readonly byte[] Aad = [9];
    private readonly SoftHsmDirectory directory = new();

    public void Dispose() => directory.Dispose();

    [Fact]
    public async Task A_session_that_is_gone_costs_a_new_session_and_no_reconnect()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration);
        await using var _ = token;
        var generation = token.Generation;
        faults.Fail("C_EncryptInit", "CKR_SESSION_HANDLE_INVALID", times: 1);
        await token.WrapDataKeyAsync(id, new byte[32], Aad, new byte[69]);
        Assert.Equal(generation, token.Generation);
    }

    [Fact]
    public async Task A_device_error_is_answered_by_one_reconnect_and_the_call_succeeds()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration);
        await using var _ = token;
        var generation = token.Generation;
        faults.Fail("C_Encrypt", "CKR_DEVICE_ERROR", times: 1);
        var wrapped = new byte[69];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
        Assert.Equal(generation + 1, token.Generation);
        Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, Aad, new byte[32]));
    }

    [Fact]
    public async Task A_device_that_answers_GENERAL_ERROR_to_everything_is_broken_and_not_a_damaged_ciphertext()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration);
        await using var _ = token;
        var wrapped = new byte[69];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
        faults.Fail("C_Decrypt", "CKR_GENERAL_ERROR");
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.UnwrapDataKeyAsync(id, wrapped, Aad, new byte[32]).AsTask());
        Assert.Equal(HsmFault.Unavailable, refused.Fault);
        Assert.False((await token.ProbeAsync()).IsHealthy);
        faults.Clear();
        Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, Aad, new byte[32]));
    }

    [Fact]
    public async Task A_module_that_names_damage_is_believed_without_asking_the_canary()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration);
        await using var _ = token;
        var wrapped = new byte[69];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
        var before = faults.Calls("C_Decrypt");
        faults.Fail("C_Decrypt", "CKR_ENCRYPTED_DATA_INVALID", times: 1);
        Assert.False(await token.UnwrapDataKeyAsync(id, wrapped, Aad, new byte[32]));
        Assert.Equal(before + 1, faults.Calls("C_Decrypt"));
    }

    [Fact]
    public async Task An_operation_that_alone_fails_ambiguously_does_not_finalise_the_module()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration);
        await using var _ = token;
        var generation = token.Generation;
        faults.Fail("C_Encrypt", "CKR_GENERAL_ERROR"); // the canary only decrypts
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.WrapDataKeyAsync(id, new byte[32], Aad, new byte[69]).AsTask());
        Assert.Equal((HsmFault.Unexpected, "C_Encrypt", "CKR_GENERAL_ERROR"), (refused.Fault, refused.Function, refused.ReturnCodeName));
        Assert.Equal(generation, token.Generation);
    }

    [Fact]
    public async Task A_module_that_hangs_is_reported_in_time_and_calls_are_refused_at_once_until_it_answers()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var events = new ConcurrentQueue<HsmEvent>();
        var (token, id) = await OpenAsync(configuration with { WatchdogTimeout = TimeSpan.FromSeconds(3) }, events.Enqueue);
        await using var _ = token;
        faults.Hang("C_GetTokenInfo");
        try
        {
            var health = await token.ProbeAsync();
            Assert.Equal(HsmState.Hung, health.State);
            var refused = await Assert.ThrowsAsync<HsmException>(() => token.WrapDataKeyAsync(id, new byte[32], Aad, new byte[69]).AsTask());
            Assert.Equal(HsmFault.Unavailable, refused.Fault);
            Assert.Contains("does not answer", refused.Message, StringComparison.Ordinal);
            Assert.Equal(HsmState.Hung, (await token.ProbeAsync()).State);
            Assert.Contains(events, e => e.Kind == HsmEventKind.Hung);
        }
        finally
        {
            faults.Clear();
        }
        await UntilAsync(async () => (await token.ProbeAsync()).State == HsmState.Healthy);
        await token.WrapDataKeyAsync(id, new byte[32], Aad, new byte[69]);
    }

    [Fact]
    public async Task Callers_who_wait_behind_a_stuck_call_are_released_when_the_watchdog_barks()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration with { WatchdogTimeout = TimeSpan.FromSeconds(3), MaxConcurrency = 1 });
        await using var _ = token;
        var before = faults.Calls("C_GenerateRandom");
        faults.Hang("C_GenerateRandom");
        var stuck = Task.Run(() => token.RandomAsync(new byte[8]).AsTask());
        await UntilAsync(() => Task.FromResult(faults.Calls("C_GenerateRandom") > before));
        var waiting = token.WrapDataKeyAsync(id, new byte[32], Aad, new byte[69]).AsTask();
        Assert.False(waiting.IsCompleted);
        faults.Hang("C_GetTokenInfo"); // frees the random call, holds the probe
        Assert.Equal(HsmState.Hung, (await token.ProbeAsync()).State);
        faults.Clear();
        await UntilAsync(async () => (await token.ProbeAsync()).State == HsmState.Healthy);
        await stuck;
        try
        {
            await waiting; // it got its turn before the bark, or was released by it: both are right, waiting for ever is not
        }
        catch (HsmException exception)
        {
            Assert.Equal(HsmFault.Unavailable, exception.Fault);
        }
    }

    [Fact]
    public async Task A_PIN_refused_at_a_reconnect_is_not_tried_again()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        var (token, id) = await OpenAsync(configuration);
        await using var _ = token;
        var before = faults.Calls("C_Login");
        Directory.Move(directory.Tokens, directory.Tokens + ".away");
        Assert.False((await token.ProbeAsync()).IsHealthy);
        Directory.Move(directory.Tokens + ".away", directory.Tokens);
        faults.Fail("C_Login", "CKR_PIN_INCORRECT");
        for (var i = 0; i < 4; i++)
        {
            var failure = (await token.ProbeAsync()).Failure;
            Assert.Equal(HsmFault.PinIncorrect, Assert.IsType<HsmException>(failure!.InnerException).Fault);
            await Assert.ThrowsAsync<HsmException>(() => token.WrapDataKeyAsync(id, new byte[32], Aad, new byte[69]).AsTask());
        }
        Assert.Equal(before + 1, faults.Calls("C_Login"));
    }

    [Fact]
    public async Task A_second_open_with_a_refused_PIN_does_not_call_the_module()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        faults.Fail("C_Login", "CKR_PIN_INCORRECT");
        Assert.Throws<HsmException>(() => directory.Open(configuration));
        Assert.Throws<HsmException>(() => directory.Open(configuration));
        Assert.Equal(1, faults.Calls("C_Login"));
    }

    [Fact]
    public async Task A_token_one_wrong_PIN_from_its_lock_is_not_tried_at_all()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        faults.Write("token flags 0x20000");
        var refused = Assert.Throws<HsmException>(() => directory.Open(configuration));
        Assert.Equal(HsmFault.PinLocked, refused.Fault);
        Assert.Equal(0, faults.Calls("C_Login"));
    }

    [Fact]
    public async Task A_key_wrap_that_gives_another_answer_than_the_RFC_is_refused_at_open()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        faults.Write("spoil C_WrapKey");
        var refused = Assert.Throws<HsmException>(() => directory.Open(configuration));
        Assert.Equal(HsmFault.MechanismMissing, refused.Fault);
        Assert.Contains("RFC 3394", refused.Message, StringComparison.Ordinal);
        faults.Clear();
        await using var token = directory.Open(configuration);
    }

    [Fact]
    public async Task A_module_that_is_lost_while_a_hierarchy_is_made_can_make_it_afterwards()
    {
        var (faults, configuration) = await directory.SimulateAsync();
        await using var token = directory.Open(configuration);
        faults.Fail("C_WrapKey", "CKR_DEVICE_ERROR");
        await Assert.ThrowsAsync<HsmException>(() => token.InitializeHierarchyAsync(directory.BackupKeyFile));
        faults.Clear();
        await token.InitializeHierarchyAsync(directory.BackupKeyFile);
        Assert.True(token.HasHierarchy);
        Assert.All(token.Guarantees.Where(guarantee => guarantee.RequiredInProduction), guarantee => Assert.Equal(HsmGuaranteeState.Held, guarantee.State));
    }

    private async Task<(HsmToken Token, KeyVersionId Id)> OpenAsync(HsmConfiguration configuration, Action<HsmEvent>? events = null)
    {
        var token = await directory.OpenWithHierarchyAsync(configuration, events);
        try
        {
            var id = KeyVersionId.NewRandom();
            await token.CreateKekAsync(id);
            return (token, id);
        }
        catch
        {
            await token.DisposeAsync(); // or no other test could use the module
            throw;
        }
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await holds())
        {
            await Task.Delay(5, limit.Token);
        }
    }
}
