using System.Security.Cryptography;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>The integrity key and signing keys on every module.</summary>
public abstract class IntegrityAndSigningContract(TokenDirectory directory)
{
    [Fact]
    public async Task A_MAC_made_before_a_restart_verifies_after_it_and_nothing_else_does()
    {
        var data = "a deciding row"u8.ToArray();
        NewIntegrityKey made;
        byte[] mac;
        await using (var token = await directory.OpenWithHierarchyAsync())
        {
            made = await token.CreateIntegrityKeyAsync();
            mac = await token.MacAsync(data);
        }
        Assert.Equal((41, 41, 32, 32), (made.RootBlob.Length, made.BackupBlob.Length, made.CheckValue.Length, mac.Length));

        await using var again = directory.Open();
        Assert.Equal(HsmFault.KeyNotLoaded, (await Assert.ThrowsAsync<HsmException>(() => again.MacAsync(data).AsTask())).Fault);
        await again.LoadIntegrityKeyAsync(made.RootBlob, made.CheckValue);
        Assert.True(await again.VerifyMacAsync(data, mac));
        Assert.False(await again.VerifyMacAsync(data.AsMemory(1), mac));
        Assert.False(await again.VerifyMacAsync(data, mac.AsMemory(0, 31)));
        mac[7] ^= 1;
        Assert.False(await again.VerifyMacAsync(data, mac));
        Assert.Equal(32, (await again.MacAsync(Memory<byte>.Empty)).Length);
    }

    [Fact]
    public async Task An_integrity_key_that_is_not_the_one_of_its_check_value_is_refused()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var first = await token.CreateIntegrityKeyAsync();
        var second = await token.CreateIntegrityKeyAsync();
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.LoadIntegrityKeyAsync(first.RootBlob, second.CheckValue).AsTask());
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
    }

    [Fact]
    public async Task A_signing_label_has_one_key_which_stays_over_restarts()
    {
        var digest = SHA256.HashData("checkpoint"u8);
        byte[] publicKey;
        await using (var token = await directory.OpenWithHierarchyAsync())
        {
            publicKey = await token.GetSigningKeyAsync("checkpoints");
            var signatures = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => token.SignAsync("checkpoints", digest).AsTask())));
            Assert.All(signatures, signature => Assert.True(Verifies(publicKey, digest, signature)));
            Assert.NotEqual(publicKey, await token.GetSigningKeyAsync("manifests"));
        }
        await using var again = directory.Open();
        Assert.Equal(publicKey, await again.GetSigningKeyAsync("checkpoints"));
        Assert.True(Verifies(publicKey, digest, await again.SignAsync("checkpoints", digest)));
        Assert.False(Verifies(publicKey, digest, await again.SignAsync("manifests", digest)));
    }

    [Fact]
    public async Task Concurrent_first_uses_of_a_label_make_one_key()
    {
        await using var token = await directory.OpenWithHierarchyAsync(directory.Configuration with { MaxConcurrency = 4 });
        var keys = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => token.GetSigningKeyAsync("transcripts").AsTask())));
        Assert.Single(keys.Select(Convert.ToHexString).Distinct());
    }

    [Theory]
    [InlineData("")]
    [InlineData("Upper")]
    [InlineData("with space")]
    public async Task A_label_outside_the_grammar_is_refused(string label)
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => token.SignAsync(label, new byte[32]).AsTask());
    }

    private static bool Verifies(byte[] subjectPublicKeyInfo, byte[] digest, byte[] signature)
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(subjectPublicKeyInfo, out _);
        return key.VerifyHash(digest, signature);
    }
}

/// <summary>On SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmIntegrityAndSigningTests(SoftHsmDirectory directory) : IntegrityAndSigningContract(directory), IClassFixture<SoftHsmDirectory>;

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimIntegrityAndSigningTests(SimulatedDirectory directory) : IntegrityAndSigningContract(directory), IClassFixture<SimulatedDirectory>;

/// <summary>On NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssIntegrityAndSigningTests(NssDirectory directory) : IntegrityAndSigningContract(directory), IClassFixture<NssDirectory>;
