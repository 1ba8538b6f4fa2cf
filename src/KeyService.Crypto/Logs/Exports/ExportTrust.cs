namespace KeyService.Crypto.Logs;

/// <summary>What whoever verifies an export knows from elsewhere.</summary>
/// <param name="Keys">Keys that may have signed, under any name; empty: the first of the export's own is taken, which proves nothing of who made it.</param>
/// <param name="Held">Checkpoints that were kept out of the service's hands, of the directory or of a slot.</param>
/// <param name="Policy">Whose cosignatures make a checkpoint as good as one held, and are demanded; null: none.</param>
public sealed record ExportTrust(IReadOnlyList<NoteVerifier> Keys, IReadOnlyList<SignedNote> Held, WitnessPolicy? Policy);
