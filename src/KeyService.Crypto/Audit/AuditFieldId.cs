namespace KeyService.Crypto;

/// <summary>
/// Field numbers of an audit record's canonical bytes. Frozen: they stand in every log ever written. A new field takes a new number; none
/// is given again. docs/spec/audit-record.md.
/// </summary>
internal enum AuditFieldId : ushort
{
    Time = 1,
    Slot = 2,
    Sequence = 3,
    Event = 4,
    Type = 5,
    Outcome = 6,
    Principal = 7,
    PrincipalType = 8,
    Authentication = 9,
    OnBehalfOf = 10,
    Source = 11,
    Device = 12,
    Key = 13,
    KeyVersion = 14,
    ContextDigest = 15,
    ItemCount = 16,
    ByteCount = 17,
    Reason = 18,
    TraceId = 19,
    RequestId = 20,
    DurationMicroseconds = 21,
    Automated = 22,
    Detail = 23,
    Changes = 24,
}
