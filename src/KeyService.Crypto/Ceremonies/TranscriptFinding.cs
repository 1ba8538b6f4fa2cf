namespace KeyService.Crypto.Ceremonies;

/// <summary>What is wrong with a transcript whose chain holds. docs/spec/transcript.md.</summary>
public enum TranscriptFinding
{
    /// <summary>It does not end.</summary>
    NotEnded,

    /// <summary>Somebody has an unknown role, or two of them.</summary>
    Roles,

    /// <summary>There is no administrator, or no witness.</summary>
    Unattended,

    /// <summary>A step begins while another one is open, ends without having begun, or was done by somebody who does not take part, or alone.</summary>
    Steps,

    /// <summary>It says completed with a step open, or ends with another word.</summary>
    Ending,

    /// <summary>A time lies before the one of the entry before.</summary>
    Time,

    /// <summary>A signature does not verify.</summary>
    WrongSignature,

    /// <summary>A signature of somebody who does not take part, or by a key that somebody else signs with too.</summary>
    UnknownSigner,

    /// <summary>The administrator's, a witness's or the HSM's signature is missing.</summary>
    Unsigned,
}
