namespace KeyService.Crypto.Logs;

/// <summary>Signature types of C2SP signed-note that are verified here. Frozen by that document.</summary>
public enum NoteAlgorithm : byte
{
    /// <summary>Ed25519 over the text.</summary>
    Ed25519 = 0x01,

    /// <summary>ECDSA P-256 over SHA-256 of the text, in DER; what the HSM makes.</summary>
    Ecdsa = 0x02,

    /// <summary>A witness's statement with its time: tlog-cosignature, cosignature/v1.</summary>
    Cosignature = 0x04,
}
