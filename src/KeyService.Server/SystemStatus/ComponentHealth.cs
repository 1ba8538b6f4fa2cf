namespace KeyService.Server.SystemStatus;

/// <summary>One component as its last probe saw it.</summary>
/// <param name="Name">"hsm", "store", "audit" or "tls".</param>
/// <param name="Healthy">Whether calls that need it can be answered.</param>
/// <param name="Detail">One sentence; empty when there is nothing to say.</param>
/// <param name="Latency">How long the probe took.</param>
internal sealed record ComponentHealth(string Name, bool Healthy, string Detail, TimeSpan Latency);
