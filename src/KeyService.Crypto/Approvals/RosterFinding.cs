namespace KeyService.Crypto.Approvals;

/// <summary>Why a roster does not follow on those before it. Names are stable.</summary>
public enum RosterFinding
{
    /// <summary>It follows.</summary>
    Valid = 0,

    /// <summary>Its number or the hash of the one before is not that of the next one.</summary>
    NotNext = 1,

    /// <summary>It is of another installation.</summary>
    AnotherInstallation = 2,

    /// <summary>It would be valid before the one that it follows on.</summary>
    ValidTooEarly = 3,

    /// <summary>An officer who is new or has a new key did not sign with it.</summary>
    NotAccepted = 4,

    /// <summary>Fewer officers of the roster before than its quorum signed.</summary>
    NotAppointed = 5,

    /// <summary>A signature is nobody's who may sign, or does not verify.</summary>
    WrongSignature = 6,

    /// <summary>There is no roster at all.</summary>
    Missing = 7,
}
