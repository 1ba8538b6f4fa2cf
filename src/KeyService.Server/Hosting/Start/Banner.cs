using KeyService.Crypto;
using KeyService.Server.SystemStatus;

namespace KeyService.Server.Hosting;

/// <summary>What the server says of itself when it starts.</summary>
internal static class Banner
{
    public static void Write(TextWriter writer, ServerConfiguration configuration, ServiceCore core, bool hardened)
    {
        writer.WriteLine($"KeyService {SystemRpcs.Version}, profile {configuration.Profile.ToString().ToLowerInvariant()}, "
            + $"store {configuration.StoreName}, token {core.Hsm.Info.TokenLabel} ({core.Hsm.TokenId})");
        foreach (var warning in Warnings(configuration, core, hardened))
            writer.WriteLine(warning);
    }

    public static string Addresses(ServerConfiguration configuration)
    {
        var addresses = new List<string>();
        if (configuration.Listen.Tcp is { } tcp)
            addresses.Add($"https://{tcp}");
        if (configuration.Listen.UnixSocket is { } socket)
            addresses.Add($"unix:{socket}");
        return string.Join(", ", addresses);
    }

    private static IEnumerable<string> Warnings(ServerConfiguration configuration, ServiceCore core, bool hardened)
    {
        if (configuration.Profile == ServerProfile.Development)
            yield return "DEVELOPMENT ONLY: profile \"development\". The backup key's value lies in a file of this host. No patient data.";
        if (core.Hsm.DevelopmentOnly)
            yield return $"DEVELOPMENT ONLY: {core.Hsm.Info.LibraryDescription} keeps its keys in files of this host.";
        foreach (var warning in core.Store.Warnings)
            yield return warning;
        if (!hardened)
            yield return "Warning: core dumps of this process could not be switched off.";
        if (!SecretArena.IsLocked)
            yield return "Warning: memory for secrets could not be locked (ulimit -l); it may reach the swap.";
    }
}
