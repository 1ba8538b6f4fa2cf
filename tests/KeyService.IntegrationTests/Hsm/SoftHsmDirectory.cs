using System.Runtime.InteropServices;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// Tests that load a PKCS#11 module into this process. A module is one per process and finds its directory when it is initialised, so they run one after the other,
/// and each closes its tokens before the next directory is made.
/// </summary>
[CollectionDefinition(Name)]
public sealed class SoftHsmInProcess
{
    public const string Name = "SoftHSM in this process";
}

/// <summary>SoftHSM, with one token.</summary>
public partial class SoftHsmDirectory : TokenDirectory
{
    internal const string Label = "keyservice-hsm-test";

    public SoftHsmDirectory()
    {
        Infrastructure.RequireSoftHsm();
        Directory.CreateDirectory(Tokens);
        File.WriteAllText(System.IO.Path.Combine(Path, "softhsm2.conf"),
            $"directories.tokendir = {Tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
        UseSoftHsm();
        Serial = AddToken(Label);
    }

    internal string Tokens => System.IO.Path.Combine(Path, "tokens");

    internal string PinFile => PinFileOf(Label);

    internal override HsmConfiguration Configuration => new()
    {
        ModulePath = Infrastructure.SoftHsmModule, TokenLabel = Label, PinFile = PinFile, ReconnectInterval = TimeSpan.Zero,
    };

    /// <summary>What SoftHSM 2.6.1 is known for; a newer one may do better.</summary>
    internal override IReadOnlyDictionary<string, HsmGuaranteeState[]> NotHeld { get; } = new Dictionary<string, HsmGuaranteeState[]>
    {
        ["empty-iv-refused"] = [HsmGuaranteeState.Broken, HsmGuaranteeState.Held],
        ["damage-reported-clearly"] = [HsmGuaranteeState.Unknown, HsmGuaranteeState.Held],
    };

    internal override string SaysOfBrokenPadding => "CKR_GENERAL_ERROR";

    internal override int ManyKeys => 1000;

    internal override void Use() => UseSoftHsm();

    internal override TokenDirectory Another() => new SoftHsmDirectory();

    internal string PinFileOf(string label) => System.IO.Path.Combine(Path, $"pin-{label}");

    internal string AddToken(string label) => TokenProvisioning.InitializeToken(
        Infrastructure.SoftHsmModule, label, PinFileOf(label), System.IO.Path.Combine(Path, $"so-pin-{label}"));

    internal static void SetNativeEnvironment(string name, string value) => Assert.Equal(0, SetEnvironment(name, value, 1));

    /// <summary>Environment.SetEnvironmentVariable does not reach getenv of native code.</summary>
    private void UseSoftHsm() => SetNativeEnvironment("SOFTHSM2_CONF", System.IO.Path.Combine(Path, "softhsm2.conf"));

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
