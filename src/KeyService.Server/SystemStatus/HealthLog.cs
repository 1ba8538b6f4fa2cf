namespace KeyService.Server.SystemStatus;

/// <summary>Log events of the health probe, 4200 to 4249.</summary>
internal sealed partial class HealthLog(ILogger<HealthLog> logger)
{
    [LoggerMessage(4200, LogLevel.Error, "{Component} is not well: {Detail}")]
    private static partial void Unwell(ILogger logger, string component, string detail);

    [LoggerMessage(4201, LogLevel.Information, "{Component} is well again")]
    private static partial void Well(ILogger logger, string component);

    [LoggerMessage(4202, LogLevel.Error, "A round of probes failed")]
    private static partial void RoundFailed(ILogger logger, Exception exception);

    public void RoundFailed(Exception exception) => RoundFailed(logger, exception);

    public void Changed(ComponentHealth component)
    {
        if (component.Healthy)
            Well(logger, component.Name);
        else
            Unwell(logger, component.Name, component.Detail);
    }
}
