namespace KeyService.Server.Storage;

/// <summary>A deciding row as a change left it.</summary>
/// <param name="Table">The table's name.</param>
/// <param name="RowId">The row's primary key as text, unique in the table.</param>
/// <param name="Revision">1 when the row was made, one more with each change.</param>
/// <param name="Digest">SHA-256 of the row's canonical bytes (docs/spec/store.md).</param>
internal sealed record RowChange(string Table, string RowId, long Revision, byte[] Digest);
