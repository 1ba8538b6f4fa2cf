using KeyService.Server.Hosting;

namespace KeyService.Server.Restore;

/// <summary>The store stands, and is of just these bundles. Whoever was interrupted before it heard so learns it by this.</summary>
internal sealed class AlreadyRestoredException(Restoration restoration) : StartUpException(
    ExitCode.InUse, $"These bundles were restored into this store already, on {restoration.FinishTime:u}; nothing was changed. Start it with serve.")
{
    /// <summary>As the store says it, not verified: its integrity key is not here.</summary>
    public Restoration Restoration { get; } = restoration;
}
