namespace KeyService.Server.Storage;

/// <summary>A deciding row as a change left it.</summary>
/// <param name="Table">The table's name.</param>
/// <param name="RowId">The row's primary key as text, unique in the table.</param>
/// <param name="Revision">1 when the row was made, one more with each change.</param>
/// <param name="Digest">SHA-256 of the row's canonical bytes (docs/spec/store.md); 32 zero bytes when the service removed the row.</param>
internal sealed record RowChange(string Table, string RowId, long Revision, byte[] Digest)
{
    /// <summary>A row that the service removed, with the revision that comes after its last one.</summary>
    public static RowChange Removal(string table, string rowId, long revision) => new(table, rowId, revision, new byte[32]);

    public bool IsRemoval => Digest.AsSpan().IndexOfAnyExcept((byte)0) < 0;
}
