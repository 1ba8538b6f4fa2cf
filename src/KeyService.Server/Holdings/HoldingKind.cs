namespace KeyService.Server.Holdings;

/// <summary>What a holding is. Frozen numbers, the same as in <c>holdings.proto</c>.</summary>
internal enum HoldingKind : byte
{
    PostgresColumn = 1,
    SdkKeyTable = 2,
    ArchiveDirectory = 3,
    External = 4,
}
