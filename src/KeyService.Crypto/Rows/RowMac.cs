namespace KeyService.Crypto;

/// <summary>
/// Canonical bytes of a database row that decides something (a key, a version, a grant, …): what the integrity key MACs, so that a row
/// edited or moved to another table is found out when it is read. docs/spec/row-mac.md.
/// <code>"keyservice/row/v1" 0x00 | table name length 2 | table name | (type 1 | length 4 | value) for each column in the table's fixed order</code>
/// The MAC itself (HMAC-SHA-256 under the installation's integrity key) is made in the HSM.
/// </summary>
public static class RowMac
{
    /// <summary>Bytes of the MAC.</summary>
    public const int Length = 32;

    internal static ReadOnlySpan<byte> Label => "keyservice/row/v1\0"u8;

    /// <summary>Begins a row of a table.</summary>
    /// <param name="table">1 to 255 characters of ASCII.</param>
    public static RowWriter Row(string table) => new(table);
}
