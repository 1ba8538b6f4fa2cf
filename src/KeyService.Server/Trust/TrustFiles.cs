using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>Where a server keeps what it has seen of the store: in its data directory, outside of the database.</summary>
/// <param name="DataDirectory">The server's, or one in it.</param>
internal sealed record TrustFiles(string DataDirectory)
{
    private const int LogDigits = 8;

    /// <summary>
    /// Of a restored installation in a folder named by its log: what a server saw of the store before, whose log was another, says nothing of this one.
    /// </summary>
    public static TrustFiles Of(string dataDirectory, Installation installation) => new(installation.IsRestored
        ? Path.Combine(dataDirectory, $"log-{Convert.ToHexStringLower(installation.LogId)[..LogDigits]}")
        : dataDirectory);

    /// <summary>The last record of each log slot, the latest time.</summary>
    public string Seen => Path.Combine(DataDirectory, "store-seen");

    /// <summary>What the scrub read of the log.</summary>
    public string ScrubDirectory => Path.Combine(DataDirectory, "scrub");
}
