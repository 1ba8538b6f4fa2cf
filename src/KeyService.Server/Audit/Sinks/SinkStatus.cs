namespace KeyService.Server.Audit.Sinks;

/// <summary>How a sink stands.</summary>
/// <param name="Here">This server follows the log for it; else another one does, and what it sent is not known here.</param>
/// <param name="Delivered">Records that it was sent since this server follows.</param>
/// <param name="LagRecords">Committed records that it was not sent, or was sent and may not have.</param>
/// <param name="OldestMissing">Time of the oldest of them; null when there is none, or it is not known here.</param>
internal sealed record SinkStatus(SinkRow Row, bool Here, long Delivered, long LagRecords, DateTimeOffset? OldestMissing);
