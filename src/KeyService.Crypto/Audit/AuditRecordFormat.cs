namespace KeyService.Crypto;

/// <summary>Sizes that the encoder and the decoder of audit records share.</summary>
internal static class AuditRecordFormat
{
    /// <summary>Field id and length.</summary>
    internal const int FieldHeaderLength = 2 + 4;

    /// <summary>Bytes of the longest record but for its changed rows: version; 10 numbers of 60 bytes together and a digest; 11 texts of 512 bytes and one of 4,096; 23 headers.</summary>
    internal const int MaxLength = 1 + (23 * FieldHeaderLength) + 64 + 32 + (11 * AuditRecord.MaxTextLength) + AuditRecord.MaxDetailLength;

    internal static int MaxTextLength(AuditFieldId id) => id == AuditFieldId.Detail ? AuditRecord.MaxDetailLength : AuditRecord.MaxTextLength;
}
