using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Trust;

/// <summary>Whether the store is the one that this server knows, and what the last scrub said. Thread safe.</summary>
internal sealed class StoreTrust
{
    private volatile string? _difference;
    private volatile LastScrub? _scrub;

    /// <summary>Why the store was found to be put back; null while it is not, or was accepted.</summary>
    public string? Difference => _difference;

    /// <summary>Null before the first.</summary>
    public LastScrub? Scrub => _scrub;

    /// <summary>For whatever protects: refuses while the store is one that was put back and nobody has accepted it.</summary>
    /// <exception cref="Refusal">STORE_RESTORED.</exception>
    public void DemandAccepted()
    {
        if (_difference is { } difference)
        {
            throw new Refusal(
                Reason.StoreRestored,
                $"The database was put back to an earlier day: {difference}. Nothing is encrypted until an officer accepts it (keyservice store accept); decryption "
                + "goes on.");
        }
    }

    public void Differs(string difference) => _difference = difference;

    /// <summary>Told when the store is accepted as it stands: what is held in memory of it may be newer than it. Quick, and does not throw.</summary>
    public Action? WhenAccepted { get; set; }

    public void Accepted()
    {
        _difference = null;
        WhenAccepted?.Invoke();
    }

    public void Scrubbed(ScrubReport report, DateTimeOffset at) => _scrub = new LastScrub(report, at);

    /// <summary>A scrub and when it ended.</summary>
    internal sealed record LastScrub(ScrubReport Report, DateTimeOffset Time);
}
