using System.Buffers;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;

namespace KeyService.Server.Hosting;

/// <summary>Section "audit" of the configuration file.</summary>
internal static class AuditSection
{
    private static readonly SearchValues<char> Names = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    public static AuditConfiguration Read(ConfigurationSection section)
    {
        List<CheckpointDestinationConfiguration> checkpoints = [.. section.Sections("checkpoints").Select(ReadDestination)];
        if (checkpoints.DistinctBy(each => each.Name).Count() < checkpoints.Count)
            section.Find("checkpoints", "must each have a name of their own");
        section.Finish();
        return new AuditConfiguration(checkpoints);
    }

    private static CheckpointDestinationConfiguration ReadDestination(ConfigurationSection section)
    {
        var name = section.RequiredText("name");
        if (name.Length > 64 || name.AsSpan().ContainsAnyExcept(Names))
            section.Find("name", "must be 1 to 64 characters of a-z, 0-9 and -");
        var directory = section.File("directory");
        var webhook = section.Url("webhook");
        var witness = section.Url("witness");
        if (new[] { section.Has("directory"), section.Has("webhook"), section.Has("witness") }.Count(each => each) != 1)
            section.Find("directory", "or \"webhook\" or \"witness\": give one of the three");
        NoteVerifier? key = null;
        if (section.Text("witnessKey") is { } text && (!NoteVerifier.TryParse(text, out key) || key!.Algorithm != NoteAlgorithm.Cosignature))
            section.Find("witnessKey", "must be the witness's verifier key, NAME+ID+BASE64 of type 04 (keyservice witness key)");
        if (section.Has("witness") != section.Has("witnessKey"))
            section.Find("witnessKey", "belongs to \"witness\", which cannot do without");
        var ca = section.File("ca");
        section.Finish();
        return new CheckpointDestinationConfiguration(name, directory, webhook, witness, key, ca);
    }
}
