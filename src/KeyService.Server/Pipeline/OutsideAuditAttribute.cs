namespace KeyService.Server.Pipeline;

/// <summary>
/// Metadata of the endpoints that are no RPC of the service: health and reflection. They tell nothing about keys or
/// principals and are neither authorised nor recorded (docs/adr/0042-health-and-reflection.md).
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class OutsideAuditAttribute : Attribute;
