namespace KeyService.Crypto;

/// <summary>Types of columns in canonical row bytes. Frozen: they are under every MAC.</summary>
internal enum RowColumnType : byte
{
    Null = 0,
    Int64 = 1,
    Text = 2,
    Bytes = 3,
}
