namespace KeyService.Server.Trust;

/// <summary>Where a server keeps what it has seen of the store: in its data directory, outside of the database.</summary>
/// <param name="DataDirectory">Exists.</param>
internal sealed record TrustFiles(string DataDirectory)
{
    /// <summary>The last record of each log slot, the latest time.</summary>
    public string Seen => Path.Combine(DataDirectory, "store-seen");

    /// <summary>What the scrub read of the log.</summary>
    public string ScrubDirectory => Path.Combine(DataDirectory, "scrub");
}
