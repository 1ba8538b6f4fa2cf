namespace KeyService.Crypto;

/// <summary>A deciding row of the store as the change that a record is about left it. docs/spec/audit-record.md, field 24.</summary>
/// <param name="Table">The table's name: 1 to 63 characters of [a-z0-9_].</param>
/// <param name="RowId">The row's primary key as text, 1 to 512 bytes of UTF-8.</param>
/// <param name="Revision">1 when the row was made, one more with each change of it.</param>
/// <param name="Digest">SHA-256 of the row's canonical bytes, 32 bytes.</param>
public sealed record AuditRowChange(string Table, string RowId, long Revision, ReadOnlyMemory<byte> Digest);
