using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.IntegrationTests.Hsm;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;

namespace KeyService.IntegrationTests.Service;

/// <summary>The ring gives the token its KEKs again, after a start and after the token was lost and came back.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class TokenRecoveryTests : IDisposable
{
    private static readonly Server.DataKeys.DataKeyBinding Binding = new(AadPurpose.DataKeyGeneral, [],
        EncryptionContext.Create("tenant", "a"));
    private readonly SoftHsmDirectory softHsm = new();

    [Fact]
    public async Task A_data_key_opens_after_the_token_was_away()
    {
        await using var keys = await KeyRingInProcess.StartAsync(softHsm);
        await keys.CreateAsync("recovered");
        var maker = new DataKeyMaker(keys.Ring, keys.Token, TimeProvider.System);
        var version = await maker.FindForWrappingAsync("recovered", default);
        using var plaintext = new PlaintextKeys(1);
        var wrapped = new byte[WrappedDataKey.Length];
        await maker.GenerateAsync(version, Binding, null, 1, plaintext, wrapped, default);

        Directory.Move(softHsm.Tokens, softHsm.Tokens + ".away");
        Assert.False((await keys.Token.ProbeAsync()).IsHealthy);
        using var opened = new PlaintextKeys(1);
        var refused = await Assert.ThrowsAsync<HsmException>(() =>
            maker.TryUnwrapAsync(version, Binding, wrapped, opened, default).AsTask());
        Assert.Equal(HsmFault.Unavailable, refused.Fault);

        Directory.Move(softHsm.Tokens + ".away", softHsm.Tokens);
        Assert.True(await maker.TryUnwrapAsync(version, Binding, wrapped, opened, default));
        Assert.Equal(plaintext[0].ToArray(), opened[0].ToArray());
    }

    [Fact]
    public async Task A_cipher_opens_when_its_bulk_key_is_first_needed_and_a_failure_is_not_kept()
    {
        await using var keys = await KeyRingInProcess.StartAsync(softHsm);
        await keys.CreateAsync("lazy");
        keys.Restart();
        var key = await keys.Ring.FindAsync("lazy", default);
        Directory.Move(softHsm.Tokens, softHsm.Tokens + ".away");
        Assert.False((await keys.Token.ProbeAsync()).IsHealthy);
        await Assert.ThrowsAsync<HsmException>(() => key!.Primary.CipherAsync(default).AsTask());
        Directory.Move(softHsm.Tokens + ".away", softHsm.Tokens);

        var cipher = await key!.Primary.CipherAsync(default);
        var token = new byte[cipher.TokenLength(3)];
        cipher.Encrypt(EncryptionContext.Empty, [1, 2, 3], token);
        Assert.Equal(key.Primary.Id, KeyVersionId.Read(token.AsSpan(1)));
        Assert.Same(cipher, await key.Primary.CipherAsync(default));
    }

    public void Dispose() => softHsm.Dispose();
}
