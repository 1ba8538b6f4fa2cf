namespace KeyService.Protocol.Bulk;

/// <summary>The request messages of the Cipher service that <see cref="FieldRequest"/> reads; they differ in field numbers only.</summary>
public enum FieldMessage
{
    /// <summary>EncryptRequest and its answer.</summary>
    Encrypt,

    /// <summary>DecryptRequest and its answer.</summary>
    Decrypt,

    /// <summary>EncryptBatchRequest and its answer.</summary>
    EncryptBatch,

    /// <summary>DecryptBatchRequest and ReencryptBatchRequest, which have the same shape, and their answers.</summary>
    DecryptBatch,
}

/// <summary>Field numbers of keyservice/v1/cipher.proto by message; 0 where a message has no such field.</summary>
internal readonly record struct FieldNumbers(int Key, int Context, int Item, int Data)
{
    /// <summary>EncryptItem and DecryptItem.</summary>
    public const int ItemData = 1, ItemContext = 2;

    /// <summary>Context, ContextEntry.</summary>
    public const int Entries = 1, EntryKey = 1, EntryValue = 2;

    /// <summary>CipherResult.</summary>
    public const int ResultData = 1, ResultError = 2;

    public static FieldNumbers Of(FieldMessage message) => message switch
    {
        FieldMessage.Encrypt => new(Key: 1, Context: 2, Item: 0, Data: 3),
        FieldMessage.Decrypt => new(Key: 0, Context: 2, Item: 0, Data: 1),
        FieldMessage.EncryptBatch => new(Key: 1, Context: 2, Item: 3, Data: 0),
        FieldMessage.DecryptBatch => new(Key: 0, Context: 1, Item: 2, Data: 0),
        _ => throw new ArgumentOutOfRangeException(nameof(message)),
    };

    /// <summary>Tag of a length-delimited field; uint.MaxValue, which no message carries, for number 0.</summary>
    public static uint Tag(int number) => number == 0 ? uint.MaxValue : ((uint)number << 3) | 2;
}
