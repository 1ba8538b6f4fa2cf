using KeyService.Server.Pipeline;

namespace KeyService.Server.Trust;

/// <summary>What stops protection on the whole server, whatever the key: a clock that was set back, a store that was put back. Processing goes on.</summary>
internal sealed class ProtectionGate(StoreTrust trust, ClockGuard clock)
{
    /// <summary>Whether anything may be protected now.</summary>
    public bool IsOpen => trust.Difference is null && clock.Behind == TimeSpan.Zero;

    /// <exception cref="Refusal">STORE_RESTORED, CLOCK_SET_BACK.</exception>
    public void Demand()
    {
        trust.DemandAccepted();
        clock.DemandNotSetBack();
    }
}
