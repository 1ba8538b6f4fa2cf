using KeyService.Server.Storage;

namespace KeyService.Server.Hosting;

/// <summary><c>store migrate</c>: brings the schema forward and gives the service's role what it needs; before the first start of a newer version.</summary>
internal static class StoreMigrateCommand
{
    public static async Task<ExitCode> RunAsync(string configurationPath, DatabaseOwner? owner)
    {
        var configuration = ConfigurationFile.Load(configurationPath);
        var ours = owner?.Prepare(configuration, TimeProvider.System) ?? await PrepareAsync(configuration);
        await Console.Out.WriteLineAsync(ours
            ? $"keyservice: {configuration.StoreName} has the schema of this version"
            : $"keyservice: {configuration.StoreName} has the schema of a newer version, which this one works with; nothing was changed");
        return ExitCode.Ok;
    }

    private static async Task<bool> PrepareAsync(ServerConfiguration configuration)
    {
        await using var store = ServiceCore.OpenStore(configuration, StoreMode.ReadWrite, TimeProvider.System);
        return !store.IsAhead;
    }
}
