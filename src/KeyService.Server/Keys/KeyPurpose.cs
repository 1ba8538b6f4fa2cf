namespace KeyService.Server.Keys;

/// <summary>What a key is for; given when it is made and never changed. Frozen numbers, the same as in <c>keys.proto</c>.</summary>
internal enum KeyPurpose : byte
{
    /// <summary>Wraps data keys, encrypts fields and archives.</summary>
    EncryptDecrypt = 1,

    /// <summary>Wraps the keys of blind indexes and nothing else.</summary>
    BlindIndex = 2,
}
