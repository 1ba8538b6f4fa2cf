namespace KeyService.Hsm.Pkcs11;

/// <summary>An object handle and the Initialize that it belongs to. After a re-init the same number can name another key, and using it can succeed.</summary>
internal readonly record struct KeyHandle(ulong Value, long Generation);
