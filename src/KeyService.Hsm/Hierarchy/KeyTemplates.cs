using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// The attributes of every key of the hierarchy. Each template names every usage flag: what is left out takes the module's default, and SoftHSM's
/// defaults allow almost everything.
/// </summary>
internal static class KeyTemplates
{
    internal const string RootLabel = "keyservice root key";
    internal const string BackupLabel = "keyservice backup key";
    internal const int KeyLength = 32;

    /// <summary>AES-256 token object that wraps and unwraps; whatever it unwraps comes out sensitive and not extractable.</summary>
    internal static AttributeTemplate Root(ReadOnlySpan<byte> id, TemplateReach reach = TemplateReach.Whole)
    {
        var template = Unmodifiable(Permanent(RootLabel, id, reach).Add(CKA.CKA_UNWRAP, true).Add(CKA.CKA_VALUE_LEN, KeyLength));
        return reach == TemplateReach.Whole
            ? template.Add(CKA.CKA_UNWRAP_TEMPLATE, new AttributeTemplate().Add(CKA.CKA_SENSITIVE, true).Add(CKA.CKA_EXTRACTABLE, false))
            : template;
    }

    /// <summary>AES-256 token object that wraps only: the service can write backups and cannot read them.</summary>
    internal static AttributeTemplate Backup(ReadOnlySpan<byte> id, ReadOnlySpan<byte> value, TemplateReach reach = TemplateReach.Whole) =>
        Backup(id, reach).Add(CKA.CKA_VALUE, value);

    /// <summary>The same for a value that comes in wrapped.</summary>
    internal static AttributeTemplate Backup(ReadOnlySpan<byte> id, TemplateReach reach) =>
        Unmodifiable(Permanent(BackupLabel, id, reach).Add(CKA.CKA_UNWRAP, false));

    internal static AttributeTemplate FindSecretKey(string label) =>
        new AttributeTemplate().Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY).Add(CKA.CKA_TOKEN, true).Add(CKA.CKA_LABEL, label);

    /// <summary>A key at the one moment when it may be wrapped.</summary>
    internal static AttributeTemplate Extractable(WrappedKeyKind kind, bool withLength = true)
    {
        var template = Session(kind, extractable: true);
        return withLength ? template.Add(CKA.CKA_VALUE_LEN, KeyLength) : template;
    }

    /// <summary>The same key as it comes back to stay. No CKA_VALUE_LEN: SoftHSM refuses it in an unwrap template.</summary>
    internal static AttributeTemplate Unwrapped(WrappedKeyKind kind) => Session(kind, extractable: false);

    /// <summary>The backup key as it opens a bundle: a session object that unwraps and does nothing else.</summary>
    internal static AttributeTemplate Unwrapping(ReadOnlySpan<byte> value) => new AttributeTemplate()
        .Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY)
        .Add(CKA.CKA_KEY_TYPE, CKK.CKK_AES)
        .Add(CKA.CKA_TOKEN, false)
        .Add(CKA.CKA_PRIVATE, true)
        .Add(CKA.CKA_SENSITIVE, true)
        .Add(CKA.CKA_EXTRACTABLE, false)
        .Add(CKA.CKA_UNWRAP, true)
        .Add(CKA.CKA_WRAP, false)
        .Add(CKA.CKA_ENCRYPT, false)
        .Add(CKA.CKA_DECRYPT, false)
        .Add(CKA.CKA_SIGN, false)
        .Add(CKA.CKA_VERIFY, false)
        .Add(CKA.CKA_DERIVE, false)
        .Add(CKA.CKA_VALUE, value);

    /// <summary>A peer token's RSA public key, as long as a key is sealed to it.</summary>
    internal static AttributeTemplate Peer(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> publicExponent) => new AttributeTemplate()
        .Add(CKA.CKA_CLASS, CKO.CKO_PUBLIC_KEY)
        .Add(CKA.CKA_KEY_TYPE, CKK.CKK_RSA)
        .Add(CKA.CKA_TOKEN, false)
        .Add(CKA.CKA_PRIVATE, false)
        .Add(CKA.CKA_WRAP, true)
        .Add(CKA.CKA_ENCRYPT, false)
        .Add(CKA.CKA_VERIFY, false)
        .Add(CKA.CKA_VERIFY_RECOVER, false)
        .Add(CKA.CKA_DERIVE, false)
        .Add(CKA.CKA_MODULUS, modulus)
        .Add(CKA.CKA_PUBLIC_EXPONENT, publicExponent);

    /// <summary>A session key with a value known to the caller, for known-answer tests and fingerprints only.</summary>
    internal static AttributeTemplate Known(WrappedKeyKind kind, ReadOnlySpan<byte> value) =>
        Session(kind, extractable: true, sensitive: false).Add(CKA.CKA_VALUE, value);

    private static AttributeTemplate Permanent(string label, ReadOnlySpan<byte> id, TemplateReach reach)
    {
        var template = Permanent(label, id);
        return reach == TemplateReach.WithoutCopyable ? template : template.Add(CKA.CKA_COPYABLE, false);
    }

    private static AttributeTemplate Permanent(string label, ReadOnlySpan<byte> id) => new AttributeTemplate()
        .Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY)
        .Add(CKA.CKA_KEY_TYPE, CKK.CKK_AES)
        .Add(CKA.CKA_LABEL, label)
        .Add(CKA.CKA_ID, id)
        .Add(CKA.CKA_TOKEN, true)
        .Add(CKA.CKA_PRIVATE, true)
        .Add(CKA.CKA_SENSITIVE, true)
        .Add(CKA.CKA_EXTRACTABLE, false)
        .Add(CKA.CKA_WRAP, true)
        .Add(CKA.CKA_ENCRYPT, false)
        .Add(CKA.CKA_DECRYPT, false)
        .Add(CKA.CKA_SIGN, false)
        .Add(CKA.CKA_VERIFY, false)
        .Add(CKA.CKA_DERIVE, false);

    /// <summary>Behind everything else: SoftHSM takes a template of C_UnwrapKey attribute by attribute, and would refuse what comes after it.</summary>
    private static AttributeTemplate Unmodifiable(AttributeTemplate template) => template.Add(CKA.CKA_MODIFIABLE, false);

    private static AttributeTemplate Session(WrappedKeyKind kind, bool extractable, bool sensitive = true)
    {
        var encrypts = kind == WrappedKeyKind.Kek;
        var signs = kind == WrappedKeyKind.Integrity;
        var wraps = kind == WrappedKeyKind.WrappingTest;
        return new AttributeTemplate()
            .Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY)
            .Add(CKA.CKA_KEY_TYPE, signs ? CKK.CKK_GENERIC_SECRET : CKK.CKK_AES)
            .Add(CKA.CKA_TOKEN, false)
            .Add(CKA.CKA_PRIVATE, true)
            .Add(CKA.CKA_SENSITIVE, sensitive)
            .Add(CKA.CKA_EXTRACTABLE, extractable)
            .Add(CKA.CKA_ENCRYPT, encrypts)
            .Add(CKA.CKA_DECRYPT, encrypts)
            .Add(CKA.CKA_SIGN, signs)
            .Add(CKA.CKA_VERIFY, signs)
            .Add(CKA.CKA_WRAP, wraps)
            .Add(CKA.CKA_UNWRAP, wraps)
            .Add(CKA.CKA_DERIVE, false);
    }
}

/// <summary>
/// How much of a template a module takes. Attributes younger than PKCS#11 v2.20 are left out where they are refused; the guarantee probes then show what is
/// missing, and the production profile refuses the module.
/// </summary>
internal enum TemplateReach
{
    /// <summary>Everything the design asks for.</summary>
    Whole,

    /// <summary>Without CKA_UNWRAP_TEMPLATE (v2.20, rarely implemented).</summary>
    WithoutUnwrapTemplate,

    /// <summary>Without CKA_COPYABLE (v2.40) as well.</summary>
    WithoutCopyable,
}

/// <summary>What a session key is for.</summary>
internal enum WrappedKeyKind
{
    /// <summary>AES-256, encrypts and decrypts.</summary>
    Kek,

    /// <summary>HMAC-SHA-256, 32 bytes, signs and verifies.</summary>
    Integrity,

    /// <summary>AES-256 that wraps, for known-answer tests only.</summary>
    WrappingTest,
}
