namespace KeyService.Crypto;

/// <summary>
/// What an encryption is for; set by the service, never by a caller, and bound as associated data, so that a ciphertext made for one
/// purpose opens for no other. The numbers are frozen: they stand in everything ever encrypted. docs/spec/associated-data.md.
/// </summary>
public enum AadPurpose : byte
{
    /// <summary>A data key for the caller's own format. No subject.</summary>
    DataKeyGeneral = 1,

    /// <summary>A data key for field tokens of the second format. Subject: the 16-byte data-key id.</summary>
    DataKeyField = 2,

    /// <summary>A data key of an archive. Subject: the 16-byte archive id.</summary>
    DataKeyArchive = 3,

    /// <summary>The bulk key of a key version, wrapped by that version. No subject.</summary>
    BulkKey = 4,

    /// <summary>The check value of a key version. No subject.</summary>
    CheckValue = 5,

    /// <summary>A field token of the first format, under a bulk key. No subject.</summary>
    FieldToken = 6,

    /// <summary>A field token of the second format, under a data key. Subject: the 16-byte data-key id; no key version.</summary>
    FieldTokenDataKey = 7,

    /// <summary>The key of a blind index. Subject: its 16-byte id.</summary>
    DataKeyBlindIndex = 8,
}
