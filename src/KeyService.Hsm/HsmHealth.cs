namespace KeyService.Hsm;

/// <summary>State of a token as its last probe saw it.</summary>
public enum HsmState
{
    /// <summary>The canary came back right.</summary>
    Healthy,

    /// <summary>The token works but has no hierarchy yet, so no canary can be kept.</summary>
    NoHierarchy,

    /// <summary>The token is lost; calls fail until a reconnect works.</summary>
    Lost,

    /// <summary>A call into the module did not come back within the watchdog's time; calls fail at once until it does.</summary>
    Hung,
}

/// <summary>Result of a probe.</summary>
/// <param name="State">What was found.</param>
/// <param name="At">When, UTC.</param>
/// <param name="Duration">How long the probe took.</param>
/// <param name="Generation">Number of the module's Initialize; grows with every reconnect.</param>
/// <param name="LoadedKeks">KEKs now loaded as session objects.</param>
/// <param name="Failure">Why the token is not healthy; null when it is.</param>
/// <param name="Message">One sentence for a person, with what to do next when something is wrong.</param>
public sealed record HsmHealth(
    HsmState State,
    DateTimeOffset At,
    TimeSpan Duration,
    long Generation,
    int LoadedKeks,
    HsmException? Failure,
    string Message)
{
    /// <summary>True when operations may be expected to work.</summary>
    public bool IsHealthy => State is HsmState.Healthy or HsmState.NoHierarchy;
}
