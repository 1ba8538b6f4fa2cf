using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>Session objects of this process on a token that is open: every session sees them.</summary>
internal static class LeftObjects
{
    /// <summary>
    /// Secret keys that could be taken out, or take others out or in, and all RSA keys: each of them should be gone when a call has ended. Sensitive ones: what is not
    /// is a pattern of a probe, whose value is no secret.
    /// </summary>
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
            found = session.Find(flag is { } which ? template.Add(which, true).Add(CKA.CKA_SENSITIVE, true) : template);
        });
        return found;
    }
}
