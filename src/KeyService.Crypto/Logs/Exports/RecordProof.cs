namespace KeyService.Crypto.Logs;

/// <summary>
/// That a record stands in a log, for a stranger: a tlog-proof of the record in its slot's log, and optionally one of the directory's entry that
/// commits to that log, whose checkpoint witnesses cosign. docs/spec/audit-export.md.
/// </summary>
/// <param name="Record">The record.</param>
/// <param name="Checkpoint">What its slot's log was when it was proven.</param>
/// <param name="Directory">What the directory was, when a proof of that was given.</param>
/// <param name="WitnessTime">The latest cosignature that the policy knows; null without a policy.</param>
public sealed record RecordProof(AuditRecord Record, Checkpoint Checkpoint, Checkpoint? Directory, DateTimeOffset? WitnessTime)
{
    /// <summary>Verifies both; <paramref name="fault"/> says what is wrong.</summary>
    /// <param name="keys">Keys of the log, one at least, under any name.</param>
    public static bool TryVerify(
        InclusionProofFile record, InclusionProofFile? directory, IReadOnlyList<NoteVerifier> keys, WitnessPolicy? policy,
        out RecordProof? proof, out string fault)
    {
        proof = null;
        fault = TryVerifyInclusion(record, keys, out Checkpoint? checkpoint) ?? "";
        if (fault.Length > 0)
        {
            return false;
        }
        if (!AuditRecord.TryParse(record.Extra, out AuditRecord? parsed) || !IsOf(checkpoint!.Origin, parsed!.Slot) || parsed.Sequence != (ulong)record.Index)
        {
            fault = "what is proven is no record of that log and place";
            return false;
        }
        Checkpoint? above = null;
        if (directory is not null && (fault = TryVerifyInclusion(directory, keys, out above) ?? "").Length > 0)
        {
            fault = "the directory's proof: " + fault;
            return false;
        }
        if (above is not null && !Commits(directory!.Extra, above, checkpoint, parsed.Slot))
        {
            fault = "the directory's proof is of something else than this log at this size";
            return false;
        }
        SignedNote top = directory?.Note ?? record.Note;
        if (policy is not null && !policy.Satisfied(top))
        {
            fault = directory is null
                ? "the slot's checkpoint has not the cosignatures that the policy demands; witnesses cosign the directory's: give its proof as well"
                : "the checkpoint has not the cosignatures that the policy demands";
            return false;
        }
        proof = new RecordProof(parsed, checkpoint, above, policy?.TimeOf(top));
        return true;
    }

    private static string? TryVerifyInclusion(InclusionProofFile proof, IReadOnlyList<NoteVerifier> keys, out Checkpoint? checkpoint)
    {
        if (!Checkpoint.TryParse(proof.Note.Text, out checkpoint) || checkpoint!.Extensions.Count > 0 || !NoteSignature.IsKeyName(checkpoint.Origin))
        {
            return "it ends with no checkpoint";
        }
        string origin = checkpoint.Origin;
        if (!keys.Any(key => key.Named(origin).Signed(proof.Note)))
        {
            return "the checkpoint is not signed by a key that was given";
        }
        return proof.Extra is not null && MerkleProof.VerifyInclusion(MerkleHash.Leaf(proof.Extra), proof.Index, checkpoint.Size, proof.Hashes, checkpoint.Root)
            ? null : "the entry does not stand at its place in the log that was signed";
    }

    private static bool IsOf(string origin, uint slot) =>
        origin.LastIndexOf("/slot/", StringComparison.Ordinal) is > 0 and var end && LogNames.TryParse(origin[..end], out LogNames? names) && names!.Slot(slot) == origin;

    private static bool Commits(byte[]? entry, Checkpoint directory, Checkpoint slot, uint number) =>
        DirectoryEntry.TryParse(entry, out DirectoryEntry? parsed) && !parsed!.IsOfKey && parsed.Slot == number
        && parsed.Size == slot.Size && parsed.Value.Span.SequenceEqual(slot.Root)
        && LogNames.TryParse(slot.Origin[..slot.Origin.LastIndexOf("/slot/", StringComparison.Ordinal)], out LogNames? names) && names!.Directory == directory.Origin;
}
