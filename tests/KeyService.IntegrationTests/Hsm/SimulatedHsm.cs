using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>HsmSim over SoftHSM in this process.</summary>
internal static class SimulatedHsm
{
    /// <summary>The directory's token behind the simulator, whose control file stands in the directory too.</summary>
    internal static async Task<(HsmSimControl Control, HsmConfiguration Configuration)> SimulateAsync(this SoftHsmDirectory directory)
    {
        var module = await HsmSimControl.ModuleAsync();
        var control = new HsmSimControl(directory.Path);
        foreach (var (name, value) in control.Environment(Infrastructure.SoftHsmModule))
        {
            SoftHsmDirectory.SetNativeEnvironment(name, value!);
        }
        return (control, directory.Configuration with { ModulePath = module });
    }
}
