namespace KeyService.Server.Rotation;

/// <summary>Section "rotation" of the configuration file.</summary>
internal sealed record RotationConfiguration
{
    /// <summary>
    /// Rotations and versions made ahead a minute, 1 to 100,000, over all servers (one rotates at a time). A million keys of 90 days need 8.
    /// It bounds what a server does that wakes after a long sleep, or whose clock was set forward by years.
    /// </summary>
    public int PerMinute { get; init; } = 600;

    /// <summary>Seconds between two looks for what is due, 1 to 3,600.</summary>
    public int LookSeconds { get; init; } = 15;
}
