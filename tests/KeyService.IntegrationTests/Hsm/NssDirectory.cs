using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// NSS softokn, another module with other habits: it takes its settings by a string, has one token a directory, knows fewer attributes, and exports what it should
/// not.
/// </summary>
public sealed class NssDirectory : TokenDirectory
{
    private const string Label = "NSS Certificate DB";

    private static readonly string? Module = new[] { "x86_64-linux-gnu", "aarch64-linux-gnu" }
        .Select(platform => $"/usr/lib/{platform}/libsoftokn3.so").FirstOrDefault(File.Exists);

    public NssDirectory()
    {
        Infrastructure.Require(Module is not null, "NSS softokn (apt-get install libnss3)");
        Configuration = new HsmConfiguration
        {
            ModulePath = Module, TokenLabel = Label, PinFile = System.IO.Path.Combine(Path, "pin"), ReconnectInterval = TimeSpan.Zero,
            NssParameters = $"configdir='sql:{Path}' certPrefix='' keyPrefix='' secmod='secmod.db' flags= ",
        };
        Serial = TokenProvisioning.InitializeToken(
            Module, Label, Configuration.PinFile, System.IO.Path.Combine(Path, "so-pin"), Configuration.NssParameters);
    }

    internal override HsmConfiguration Configuration { get; }

    internal override IReadOnlyDictionary<string, bool?> ShownOtherwise { get; } = new Dictionary<string, bool?>
    {
        ["CKA_COPYABLE"] = null, ["CKA_LOCAL"] = false,
    };

    internal override IReadOnlyDictionary<string, HsmGuaranteeState[]> NotHeld { get; } = new Dictionary<string, HsmGuaranteeState[]>
    {
        ["root-made-in-token"] = [HsmGuaranteeState.Broken],
        ["root-not-extractable"] = [HsmGuaranteeState.Broken],
        ["root-not-copyable"] = [HsmGuaranteeState.Broken],
        ["non-extractable-enforced"] = [HsmGuaranteeState.Broken],
        ["unwrap-template-enforced"] = [HsmGuaranteeState.Broken],
    };

    internal override string SaysOfBrokenPadding => "CKR_WRAPPED_KEY_INVALID";

    internal override int ManyKeys => 20; // each use of a token key costs NSS its password's derivation

    internal override void Use()
    {
    }

    internal override TokenDirectory Another() => new NssDirectory();
}
