namespace KeyService.Crypto;

/// <summary>The format byte of a field token; frozen.</summary>
public enum FieldTokenFormat : byte
{
    /// <summary>Under the bulk key of a key version.</summary>
    BulkKey = FieldToken.Format1,

    /// <summary>Under a data key of the SDK.</summary>
    DataKey = FieldToken.Format2,
}
