using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// The same on NSS softokn, another module with other habits: it takes its settings by a string, knows fewer attributes, and exports
/// what it should not.
/// </summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SecondModuleTests : IDisposable
{
    private const string Label = "NSS Certificate DB";
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-nss-").FullName;
    private readonly string? module = new[] { "x86_64-linux-gnu", "aarch64-linux-gnu" }
        .Select(platform => $"/usr/lib/{platform}/libsoftokn3.so").FirstOrDefault(File.Exists);

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task The_hierarchy_works_on_NSS_and_the_probes_find_what_NSS_does_not_guarantee()
    {
        Infrastructure.Require(module is not null, "NSS softokn (apt-get install libnss3)");
        var parameters = $"configdir='sql:{directory}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= ";
        var configuration = new HsmConfiguration
        {
            ModulePath = module, TokenLabel = Label, PinFile = Path.Combine(directory, "pin"), NssParameters = parameters,
        };
        TokenProvisioning.InitializeToken(module, Label, configuration.PinFile, Path.Combine(directory, "so-pin"), parameters);

        var id = KeyVersionId.NewRandom();
        byte[] aad = [1, 2, 3];
        var wrapped = new byte[100 * WrappedDataKey.Length];
        var plaintexts = new byte[100 * WrappedDataKey.DataKeyLength];
        var opened = new byte[WrappedDataKey.DataKeyLength];
        NewKek kek;
        await using (var token = HsmToken.Open(configuration))
        {
            Assert.True(token.DevelopmentOnly);
            Assert.All(token.Mechanisms.Take(3), choice => Assert.Equal((choice.Algorithm, HsmMechanismProof.KnownAnswer), (choice.Algorithm, choice.Proof)));
            await token.InitializeHierarchyAsync(Path.Combine(directory, "backup.key"));
            kek = await token.CreateKekAsync(id);
            await token.GenerateDataKeysAsync(id, 100, _ => aad, plaintexts, wrapped);
            await token.CreateIntegrityKeyAsync();
            Assert.True(await token.VerifyMacAsync(aad, await token.MacAsync(aad)));
            Assert.Equal(HsmState.Healthy, (await token.ProbeAsync()).State);

            // NSS wraps keys that are not extractable and knows no CKA_UNWRAP_TEMPLATE: exactly what production must not run on.
            var broken = token.Guarantees.Where(guarantee => guarantee is { State: HsmGuaranteeState.Broken, RequiredInProduction: true }).Select(guarantee => guarantee.Name);
            Assert.Contains("non-extractable-enforced", broken);
            Assert.Contains("unwrap-template-enforced", broken);
            Assert.Equal(HsmGuaranteeState.Held, token.Guarantees.Single(guarantee => guarantee.Name == "empty-iv-refused").State);
        }
        await using var again = HsmToken.Open(configuration);
        await again.LoadKekAsync(id, kek.RootBlob, kek.CheckValue);
        Assert.True(await again.UnwrapDataKeyAsync(id, wrapped.AsMemory(0, WrappedDataKey.Length), aad, opened));
        Assert.Equal(plaintexts[..32], opened);
        wrapped[40] ^= 1;
        Assert.False(await again.UnwrapDataKeyAsync(id, wrapped.AsMemory(0, WrappedDataKey.Length), aad, opened));
        var damaged = kek.RootBlob.ToArray();
        damaged[7] ^= 1;
        await again.UnloadAsync(id);
        Assert.Equal(HsmFault.IntegrityFailure, (await Assert.ThrowsAsync<HsmException>(() => again.LoadKekAsync(id, damaged, kek.CheckValue).AsTask())).Fault);
    }
}
