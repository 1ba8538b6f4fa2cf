using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;
using Net.Pkcs11Interop.LowLevelAPI80.MechanismParams;

namespace KeyService.Hsm.Sessions;

/// <summary>The calls that make, find, wrap and destroy objects, through Pkcs11Interop.</summary>
internal sealed unsafe partial class HsmSession
{
    private const int MaxWrappedLength = 512;

    internal KeyHandle GenerateKey(CKM mechanism, AttributeTemplate template, string what)
    {
        var type = new CK_MECHANISM { Mechanism = (ulong)mechanism };
        ulong handle = 0;
        Check(module.Library.C_GenerateKey(Handle, ref type, template.Items, template.Count, ref handle), "C_GenerateKey", $"{what} could not be made.");
        return Own(handle);
    }

    internal (KeyHandle Public, KeyHandle Private) GenerateKeyPair(CKM mechanism, AttributeTemplate publicKey, AttributeTemplate privateKey, string what)
    {
        var type = new CK_MECHANISM { Mechanism = (ulong)mechanism };
        ulong first = 0, second = 0;
        Check(module.Library.C_GenerateKeyPair(
            Handle, ref type, publicKey.Items, publicKey.Count, privateKey.Items, privateKey.Count, ref first, ref second),
            "C_GenerateKeyPair", $"{what} could not be made.");
        return (Own(first), Own(second));
    }

    internal KeyHandle CreateObject(AttributeTemplate template, string what)
    {
        var code = TryCreateObject(template, out var handle);
        Check(code, "C_CreateObject", $"{what} could not be imported.");
        return handle;
    }

    internal CKR TryCreateObject(AttributeTemplate template, out KeyHandle handle)
    {
        ulong value = 0;
        var code = module.Library.C_CreateObject(Handle, template.Items, template.Count, ref value);
        handle = Own(value);
        return code;
    }

    internal CKR TryCopyObject(KeyHandle key, AttributeTemplate template, out KeyHandle copy)
    {
        ulong value = 0;
        var code = module.Library.C_CopyObject(Handle, Use(key), template.Items, template.Count, ref value);
        copy = Own(value);
        return code;
    }

    internal void Destroy(KeyHandle key) =>
        Check(module.Library.C_DestroyObject(Handle, Use(key)), "C_DestroyObject", "a key object could not be removed from the token.");

    /// <summary>Destroys what may be gone already; a failure is not the caller's business. The session is closed then, and with it goes what it made.</summary>
    internal void DestroyQuietly(KeyHandle key)
    {
        if (key.Value != 0 && key.Generation == module.Generation)
        {
            IsBroken |= module.Library.C_DestroyObject(Handle, key.Value) != CKR.CKR_OK;
        }
    }

    internal byte[] Wrap(CKM mechanism, KeyHandle wrappingKey, KeyHandle key, string what)
    {
        Check(TryWrap(mechanism, wrappingKey, key, out var wrapped), "C_WrapKey", $"{what} could not be wrapped.");
        return wrapped;
    }

    internal CKR TryWrap(CKM mechanism, KeyHandle wrappingKey, KeyHandle key, out byte[] wrapped)
    {
        var type = new CK_MECHANISM { Mechanism = (ulong)mechanism };
        return TryWrap(ref type, wrappingKey, key, out wrapped);
    }

    private CKR TryWrap(ref CK_MECHANISM type, KeyHandle wrappingKey, KeyHandle key, out byte[] wrapped)
    {
        var buffer = new byte[MaxWrappedLength];
        var length = (ulong)buffer.Length;
        var code = module.Library.C_WrapKey(Handle, ref type, Use(wrappingKey), Use(key), buffer, ref length);
        wrapped = code == CKR.CKR_OK ? buffer[..checked((int)length)] : [];
        return code;
    }

    /// <summary>As <see cref="TryUnwrapOaep"/>, the way there: under an RSA public key.</summary>
    internal CKR TryWrapOaep(KeyHandle wrappingKey, KeyHandle key, out byte[] wrapped)
    {
        var parameters = OaepParameters;
        var type = Oaep(&parameters);
        return TryWrap(ref type, wrappingKey, key, out wrapped);
    }

    internal KeyHandle Unwrap(CKM mechanism, KeyHandle unwrappingKey, byte[] wrapped, AttributeTemplate template, string what)
    {
        var code = TryUnwrap(mechanism, unwrappingKey, wrapped, template, out var handle);
        if (ReturnCodes.IsDamagedInput((ulong)code))
        {
            throw new HsmException(HsmFault.IntegrityFailure, "C_UnwrapKey", (ulong)code,
                $"{what} does not unwrap under this token's root key. It was damaged, or wrapped by another token.");
        }
        Check(code, "C_UnwrapKey", $"{what} could not be unwrapped.");
        return handle;
    }

    internal CKR TryUnwrap(CKM mechanism, KeyHandle unwrappingKey, byte[] wrapped, AttributeTemplate template, out KeyHandle handle)
    {
        var type = new CK_MECHANISM { Mechanism = (ulong)mechanism };
        ulong value = 0;
        var code = module.Library.C_UnwrapKey(
            Handle, ref type, Use(unwrappingKey), wrapped, (ulong)wrapped.Length, template.Items, template.Count, ref value);
        handle = Own(value);
        return code;
    }

    /// <summary>RSAES-OAEP with SHA-1 and no label: the one form that every module knows.</summary>
    internal CKR TryUnwrapOaep(KeyHandle unwrappingKey, byte[] wrapped, AttributeTemplate template, out KeyHandle handle)
    {
        var parameters = OaepParameters;
        var type = Oaep(&parameters);
        ulong value = 0;
        var code = module.Library.C_UnwrapKey(
            Handle, ref type, Use(unwrappingKey), wrapped, (ulong)wrapped.Length, template.Items, template.Count, ref value);
        handle = Own(value);
        return code;
    }

    /// <summary>Handles of all objects that match, 16 at most.</summary>
    internal List<KeyHandle> Find(AttributeTemplate template)
    {
        const string Explanation = "the token's objects could not be searched.";
        var library = module.Library;
        Check(library.C_FindObjectsInit(Handle, template.Items, template.Count), "C_FindObjectsInit", Explanation);
        var found = new ulong[16];
        ulong count = 0;
        var code = library.C_FindObjects(Handle, found, (ulong)found.Length, ref count);
        Check(library.C_FindObjectsFinal(Handle), "C_FindObjectsFinal", Explanation);
        Check(code, "C_FindObjects", Explanation);
        return [.. found.Take(checked((int)count)).Select(Own)];
    }

    /// <summary>A CK_BBOOL attribute; null when the module does not know it.</summary>
    internal bool? ReadFlag(KeyHandle key, CKA type) => ReadBytes(key, type, 1, out var value) == CKR.CKR_OK && value.Length == 1 ? value[0] != 0 : null;

    internal ulong? ReadNumber(KeyHandle key, CKA type) =>
        ReadBytes(key, type, sizeof(ulong), out var value) == CKR.CKR_OK && value.Length == sizeof(ulong) ? BitConverter.ToUInt64(value) : null;

    internal CKR ReadBytes(KeyHandle key, CKA type, int room, out byte[] value)
    {
        using var template = new AttributeTemplate().Expect(type, room);
        var items = template.Items;
        var code = module.Library.C_GetAttributeValue(Handle, Use(key), items, 1);
        if (ReturnCodes.IsTokenLost((ulong)code) || ReturnCodes.IsSessionLost((ulong)code))
        {
            Check(code, "C_GetAttributeValue", "a key's attributes could not be read.");
        }
        value = code == CKR.CKR_OK && items[0].valueLen <= (ulong)room ? new Span<byte>((void*)items[0].value, (int)items[0].valueLen).ToArray() : [];
        return code;
    }

    internal CKR TrySet(KeyHandle key, AttributeTemplate template) =>
        module.Library.C_SetAttributeValue(Handle, Use(key), template.Items, template.Count);

    private static CK_RSA_PKCS_OAEP_PARAMS OaepParameters => new()
    {
        HashAlg = (ulong)CKM.CKM_SHA_1, Mgf = (ulong)CKG.CKG_MGF1_SHA1, Source = (ulong)CKZ.CKZ_DATA_SPECIFIED,
    };

    private static CK_MECHANISM Oaep(CK_RSA_PKCS_OAEP_PARAMS* parameters) => new()
    {
        Mechanism = (ulong)CKM.CKM_RSA_PKCS_OAEP, Parameter = (IntPtr)parameters, ParameterLen = (ulong)sizeof(CK_RSA_PKCS_OAEP_PARAMS),
    };

    private KeyHandle Own(ulong handle) => new(handle, Generation);
}
