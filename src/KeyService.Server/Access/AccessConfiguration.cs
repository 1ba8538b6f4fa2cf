namespace KeyService.Server.Access;

/// <summary>Section "access" of the configuration file.</summary>
internal sealed record AccessConfiguration
{
    /// <summary>Which forbidden pairs of duties hold.</summary>
    public SeparationLevel Separation { get; init; } = SeparationLevel.Standard;
}
