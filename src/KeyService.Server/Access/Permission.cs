namespace KeyService.Server.Access;

/// <summary>What a grant can allow. Numbers and names are frozen: they stand in rows, audit records and <c>access.proto</c>.</summary>
internal enum Permission
{
    /// <summary>Every registered, enabled principal may; cannot be granted.</summary>
    None = 0,
    GenerateDataKey = 1,
    UnwrapDataKey = 2,
    RewrapDataKey = 3,
    Encrypt = 4,
    Decrypt = 5,
    Reencrypt = 6,
    CreateKey = 7,
    ReadKey = 8,
    RotateKey = 9,
    AdministerAccess = 10,
    ReadAudit = 11,
    ReadSystem = 12,
}
