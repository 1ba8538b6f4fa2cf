namespace KeyService.Server.Storage.Sqlite;

/// <summary>Damage in a write-ahead log that hides commits which were acknowledged.</summary>
/// <param name="Path">The log's file.</param>
/// <param name="Offset">Byte at which the log stops verifying; 0 is its header.</param>
/// <param name="Commits">Commits that stand behind it.</param>
internal sealed record WriteAheadLogDamage(string Path, long Offset, int Commits)
{
    /// <summary>What an operator reads.</summary>
    public string Message =>
        $"The write-ahead log {Path} is damaged at byte {Offset}, and {Commits} commits that were acknowledged stand behind it. "
        + "The store is not opened, because they would be lost without a word.";

    /// <summary>What there is to do.</summary>
    public string Fix =>
        "Copy the store and its log away first. Then put both back from a copy that is whole; or, to give these commits up: "
        + $"truncate --size={Offset} {Path}";
}
