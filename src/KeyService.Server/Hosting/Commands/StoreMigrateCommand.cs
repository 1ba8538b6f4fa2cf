using KeyService.Server.Storage;

namespace KeyService.Server.Hosting;

/// <summary><c>store migrate</c>: brings the schema forward and gives the service's role what it needs; before the first start of a newer version.</summary>
internal static class StoreMigrateCommand
{
    public static async Task<ExitCode> RunAsync(string configurationPath, DatabaseOwner? owner)
    {
        var configuration = ConfigurationFile.Load(configurationPath);
        if (owner is not null)
            owner.Prepare(configuration, TimeProvider.System);
        else
            await using (ServiceCore.OpenStore(configuration, StoreMode.ReadWrite, TimeProvider.System))
            {
            }
        await Console.Out.WriteLineAsync($"keyservice: {configuration.StoreName} has the schema of this version");
        return ExitCode.Ok;
    }
}
