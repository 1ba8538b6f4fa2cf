using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>Attributes are asked for, and then read back: some modules take a template and do as they like.</summary>
internal static class KeyAttributes
{
    private static readonly (CKA Type, bool Value)[] Permanent =
    [
        (CKA.CKA_TOKEN, true), (CKA.CKA_PRIVATE, true), (CKA.CKA_SENSITIVE, true), (CKA.CKA_EXTRACTABLE, false), (CKA.CKA_MODIFIABLE, false),
        (CKA.CKA_WRAP, true), (CKA.CKA_ENCRYPT, false), (CKA.CKA_DECRYPT, false), (CKA.CKA_SIGN, false), (CKA.CKA_DERIVE, false),
    ];

    private static readonly (CKA Type, bool Value)[] Root = [.. Permanent, (CKA.CKA_UNWRAP, true)];

    private static readonly (CKA Type, bool Value)[] Backup = [.. Permanent, (CKA.CKA_UNWRAP, false)];

    internal static void RequireRoot(HsmSession session, KeyHandle key) => Require(session, key, Root, "root key", isMadeHere: true);

    internal static void RequireBackup(HsmSession session, KeyHandle key) => Require(session, key, Backup, "backup key", isMadeHere: false);

    /// <summary>A key that stays must be sensitive and not extractable. Corrected where the module lets it be, refused otherwise.</summary>
    internal static void RequireProtected(HsmSession session, KeyHandle key, string what)
    {
        if (IsProtected(session, key))
        {
            return;
        }
        using (var correction = new AttributeTemplate().Add(CKA.CKA_SENSITIVE, true).Add(CKA.CKA_EXTRACTABLE, false))
        {
            _ = session.TrySet(key, correction); // judged by what is read back
        }
        if (!IsProtected(session, key))
        {
            throw new HsmException(HsmFault.AttributesWrong,
                $"{what} came out of the module extractable or not sensitive, and it would not be corrected. "
                + "This module cannot hold keys of this service: use another one.");
        }
    }

    private static bool IsProtected(HsmSession session, KeyHandle key) =>
        session.ReadFlag(key, CKA.CKA_SENSITIVE) == true && session.ReadFlag(key, CKA.CKA_EXTRACTABLE) == false;

    private static void Require(HsmSession session, KeyHandle key, (CKA Type, bool Value)[] expected, string what, bool isMadeHere)
    {
        var wrong = expected.Where(attribute => session.ReadFlag(key, attribute.Type) is { } actual && actual != attribute.Value)
            .Select(attribute => $"{attribute.Type} is {!attribute.Value}").ToList();
        if (session.ReadFlag(key, CKA.CKA_SENSITIVE) is null || session.ReadFlag(key, CKA.CKA_EXTRACTABLE) is null)
        {
            wrong.Add("CKA_SENSITIVE and CKA_EXTRACTABLE cannot be read");
        }
        // CKA_COPYABLE came with v2.40: a module that does not know it is judged by the guarantee probe, which tries to copy.
        if (session.ReadFlag(key, CKA.CKA_COPYABLE) == true)
        {
            wrong.Add("CKA_COPYABLE is True");
        }
        // SoftHSM says 0 of a key that it unwrapped; what such a key is, its id proves (BackupKey.WrapsAs).
        if (session.ReadNumber(key, CKA.CKA_KEY_TYPE) != (ulong)CKK.CKK_AES
            || (session.ReadNumber(key, CKA.CKA_VALUE_LEN) is var length && length != KeyTemplates.KeyLength && (isMadeHere || length is not (null or 0))))
        {
            wrong.Add("it is not an AES-256 key");
        }
        if (wrong.Count > 0)
        {
            throw new HsmException(HsmFault.AttributesWrong,
                $"The {what} on the token is not as this service makes it ({string.Join(", ", wrong)}). Somebody else made or replaced it: "
                + "do not use this token until that is explained.");
        }
    }
}
