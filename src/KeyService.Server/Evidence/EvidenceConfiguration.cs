using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Evidence;

/// <summary>Section "evidence" of the configuration file.</summary>
/// <param name="DecisionsFile">Where the site writes its decisions on addressable safeguards; null: it has given none.</param>
internal sealed record EvidenceConfiguration(string? DecisionsFile)
{
    public static EvidenceConfiguration Read(ConfigurationSection section)
    {
        var evidence = new EvidenceConfiguration(section.File("decisionsFile"));
        section.Finish();
        return evidence;
    }
}
