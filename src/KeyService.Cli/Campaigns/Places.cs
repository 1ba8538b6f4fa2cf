using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;

namespace KeyService.Cli.Campaigns;

/// <summary>
/// Where the holdings are, seen from this machine. The register at the service says what a holding is; how to reach it, this machine alone
/// says, so that nobody who can write the register can send a command and its password somewhere else.
/// </summary>
internal static class Places
{
    private const int LargestFile = 1024 * 1024;

    /// <summary>Places of <c>--at</c> and <c>--places</c>, by holding.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ReadAsync(IEnumerable<string> arguments, string? file, CancellationToken cancellation)
    {
        var places = new Dictionary<string, string>(StringComparer.Ordinal);
        if (file is not null)
        {
            var text = System.Text.Encoding.UTF8.GetString(await InputFile.ReadSmallAsync(file, LargestFile, cancellation).ConfigureAwait(false));
            foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#'))
            {
                Add(places, line, file);
            }
        }
        foreach (var argument in arguments)
        {
            Add(places, argument, "--at");
        }
        return places;
    }

    private static void Add(Dictionary<string, string> places, string line, string source)
    {
        var at = line.IndexOf('=', StringComparison.Ordinal);
        if (at < 1 || at == line.Length - 1 || !places.TryAdd(line[..at].Trim(), line[(at + 1)..].Trim()))
        {
            throw CliError.Usage(
                $"{source}: a place is HOLDING=PLACE, each holding once.",
                "Write for example --at labs='Host=/run/postgresql;Database=ehr' or --at dumps=/srv/backup.");
        }
    }
}
