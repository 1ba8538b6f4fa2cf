using KeyService.Crypto.Logs;

namespace KeyService.Server.Audit;

/// <summary>Section "audit".</summary>
/// <param name="Checkpoints">To whom checkpoints of the directory are pushed.</param>
internal sealed record AuditConfiguration(IReadOnlyList<CheckpointDestinationConfiguration> Checkpoints);

/// <summary>One that should hold checkpoints: exactly one of directory, webhook and witness.</summary>
/// <param name="Name">1 to 64 characters of [a-z0-9-]: stands in alarms and logs.</param>
/// <param name="Directory">Write-once; absolute, and never made here.</param>
/// <param name="Webhook">Where the note is posted to.</param>
/// <param name="Witness">The submission prefix of a witness (C2SP tlog-witness).</param>
/// <param name="WitnessKey">Whose cosignatures the witness answers with.</param>
/// <param name="CaPath">PEM: the only CAs that the receiver's certificate may come from; null is the machine's trust store.</param>
internal sealed record CheckpointDestinationConfiguration(
    string Name, string? Directory, Uri? Webhook, Uri? Witness, NoteVerifier? WitnessKey, string? CaPath);
