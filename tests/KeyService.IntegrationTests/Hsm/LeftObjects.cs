using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>Session objects of this process on a token that is open: every session sees them.</summary>
internal static class LeftObjects
{
    /// <summary>Keys that could be taken out, keys that could take others out or in, and public keys: each of them should be gone when a call has ended.</summary>
    internal static List<KeyHandle> Dangerous(TokenDirectory directory) =>
    [
        .. Find(directory, CKO.CKO_SECRET_KEY, CKA.CKA_EXTRACTABLE), .. Find(directory, CKO.CKO_SECRET_KEY, CKA.CKA_WRAP), .. Find(directory, CKO.CKO_SECRET_KEY, CKA.CKA_UNWRAP),
        .. Find(directory, CKO.CKO_PUBLIC_KEY), .. Find(directory, CKO.CKO_PRIVATE_KEY),
    ];

    /// <summary>Keys of any kind, 16 at most.</summary>
    internal static List<KeyHandle> SecretKeys(TokenDirectory directory) => Find(directory, CKO.CKO_SECRET_KEY);

    private static List<KeyHandle> Find(TokenDirectory directory, CKO objectClass, CKA? flag = null)
    {
        List<KeyHandle> found = [];
        directory.Inspect(session =>
        {
            using var template = new AttributeTemplate().Add(CKA.CKA_CLASS, objectClass).Add(CKA.CKA_TOKEN, false);
            found = session.Find(flag is { } which ? template.Add(which, true) : template);
        });
        return found;
    }
}
