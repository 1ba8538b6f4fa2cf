namespace KeyService.Server.SystemStatus;

/// <summary>When this server started, UTC.</summary>
internal sealed record ServerStart(DateTimeOffset Time);
