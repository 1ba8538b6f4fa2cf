using KeyService.Server.Evidence;

namespace KeyService.Server.Hosting;

/// <summary><c>config check</c>: every finding on a line of its own; touches nothing but the file, and the file of decisions that it names.</summary>
internal static class ConfigCheckCommand
{
    public static ExitCode Run(string path)
    {
        try
        {
            var configuration = ConfigurationFile.Load(path);
            if (configuration.Evidence.DecisionsFile is { } decisions)
                DecisionsFile.Load(decisions);
            Console.Out.WriteLine($"{configuration.FilePath}: good; would serve on {Banner.Addresses(configuration)}");
            return ExitCode.Ok;
        }
        catch (ConfigurationException exception)
        {
            foreach (var finding in exception.Findings)
                Console.Error.WriteLine($"{exception.Path}: {finding}");
            return ExitCode.Configuration;
        }
    }
}
