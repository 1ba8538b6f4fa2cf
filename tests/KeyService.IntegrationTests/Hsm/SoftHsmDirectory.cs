using System.Runtime.InteropServices;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// Tests that load SoftHSM into this process. The module is one per process and reads SOFTHSM2_CONF when it is initialised, so they run one after the other, and
/// each closes its tokens before the next directory is made.
/// </summary>
[CollectionDefinition(Name)]
public sealed class SoftHsmInProcess
{
    public const string Name = "SoftHSM in this process";
}

/// <summary>
/// A SoftHSM token directory of its own with one token in it. Use as class fixture or by hand; PINs are in files, as in real use.
/// </summary>
public sealed partial class SoftHsmDirectory : IDisposable
{
    internal const string Label = "keyservice-hsm-test";

    public SoftHsmDirectory()
    {
        Infrastructure.RequireSoftHsm();
        Path = Directory.CreateTempSubdirectory("keyservice-softhsm-").FullName;
        Directory.CreateDirectory(Tokens);
        File.WriteAllText(System.IO.Path.Combine(Path, "softhsm2.conf"),
            $"directories.tokendir = {Tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
        Use();
        Serial = AddToken(Label);
    }

    internal string Path { get; }

    internal string Serial { get; }

    internal string Tokens => System.IO.Path.Combine(Path, "tokens");

    internal string PinFile => PinFileOf(Label);

    internal string BackupKeyFile => System.IO.Path.Combine(Path, "backup.key");

    internal HsmConfiguration Configuration => new()
    {
        ModulePath = Infrastructure.SoftHsmModule, TokenLabel = Label, PinFile = PinFile, ReconnectInterval = TimeSpan.Zero,
    };

    /// <summary>Points SoftHSM here. Environment.SetEnvironmentVariable does not reach getenv of native code.</summary>
    internal void Use() => Assert.Equal(0, SetEnvironment("SOFTHSM2_CONF", System.IO.Path.Combine(Path, "softhsm2.conf"), 1));

    internal string PinFileOf(string label) => System.IO.Path.Combine(Path, $"pin-{label}");

    internal string AddToken(string label) => TokenProvisioning.InitializeToken(
        Infrastructure.SoftHsmModule, label, PinFileOf(label), System.IO.Path.Combine(Path, $"so-pin-{label}"));

    internal HsmToken Open(HsmConfiguration? configuration = null, Action<HsmEvent>? events = null)
    {
        Use();
        return HsmToken.Open(configuration ?? Configuration, null, events);
    }

    /// <summary>Opens the token, making the hierarchy the first time.</summary>
    internal async Task<HsmToken> OpenWithHierarchyAsync(HsmConfiguration? configuration = null, Action<HsmEvent>? events = null)
    {
        var token = Open(configuration, events);
        if (!token.HasHierarchy)
        {
            await token.InitializeHierarchyAsync(BackupKeyFile);
        }
        return token;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    internal static void SetNativeEnvironment(string name, string value) => Assert.Equal(0, SetEnvironment(name, value, 1));

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
