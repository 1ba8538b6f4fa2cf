using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>HsmSim over SoftHSM, as slow as a device on a fast bus: every call has a thread and memory of its own.</summary>
public sealed class SimulatedDirectory : SoftHsmDirectory
{
    private readonly string module = HsmSimControl.ModuleAsync().GetAwaiter().GetResult();

    public SimulatedDirectory() => Control = new HsmSimControl(Path, "latency C_GenerateRandom fixed 150us");

    internal HsmSimControl Control { get; }

    internal override HsmConfiguration Configuration => base.Configuration with { ModulePath = module };

    internal override int ManyKeys => 100;

    internal override void Use()
    {
        base.Use();
        foreach (var (name, value) in Control.Environment(Infrastructure.SoftHsmModule))
        {
            SetNativeEnvironment(name, value!);
        }
    }

    internal override TokenDirectory Another() => new SimulatedDirectory();
}
