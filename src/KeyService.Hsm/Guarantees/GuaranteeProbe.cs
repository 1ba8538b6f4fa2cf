using KeyService.Hsm.Connection;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Guarantees;

/// <summary>
/// Tries to break every rule the hierarchy rests on, with keys made for it, and reports what the module did. Documentation is not asked: NSS exports keys
/// that are not extractable, SoftHSM encrypts without an IV.
/// </summary>
internal sealed class GuaranteeProbe
{
    private readonly HsmSession session;
    private readonly KeyHandle root;
    private readonly KeyHandle backup;
    private readonly byte[] blob;
    private readonly byte[] backupBlob;
    private readonly List<HsmGuarantee> results = [];

    private GuaranteeProbe(HsmSession session, KeyHandle root, KeyHandle backup)
    {
        this.session = session;
        this.root = root;
        this.backup = backup;
        using var template = KeyTemplates.Extractable(WrappedKeyKind.Kek);
        var key = session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "a key for the guarantee probe");
        try
        {
            blob = session.Wrap(CKM.CKM_AES_KEY_WRAP, root, key, "a key for the guarantee probe");
            backupBlob = session.Wrap(CKM.CKM_AES_KEY_WRAP, backup, key, "a key for the guarantee probe");
        }
        finally
        {
            session.DestroyQuietly(key);
        }
    }

    /// <summary>Runs all probes; empty while the hierarchy is not complete. The caller is inside the gate.</summary>
    internal static IReadOnlyList<HsmGuarantee> Run(Attachment attachment) => attachment.Keys is { Root: { } root, Backup: { } backup }
        ? attachment.WithFreshSession(session => new GuaranteeProbe(session, root, backup).RunAll(attachment))
        : [];

    private List<HsmGuarantee> RunAll(Attachment attachment)
    {
        RootMadeHere();
        RootNotReadable();
        RootNotWrappable();
        RootWrapOnlyUsage();
        RootNotCopyable();
        RootNotModifiable(attachment);
        UnwrapTemplateEnforced();
        BackupWrapOnly();
        using var template = KeyTemplates.Unwrapped(WrappedKeyKind.Kek);
        var kek = session.Unwrap(CKM.CKM_AES_KEY_WRAP, root, blob, template, "A key for the guarantee probe");
        try
        {
            KekNotReadable(kek);
            KekNotWrappable(kek);
            KekNotMadeExtractable(kek);
            KekUsage(kek);
            EmptyIvRefused(attachment);
            DamageSaidSo(attachment, kek);
        }
        finally
        {
            session.DestroyQuietly(kek);
        }
        results.Add(new HsmGuarantee("iv-from-token", HsmGuaranteeState.Held, false,
            "The IV of a wrap is 96 random bits of the token.",
            "By construction: the service draws each IV with C_GenerateRandom and refuses any other length; the module does not make it itself."));
        return results;
    }

    private void RootMadeHere()
    {
        var flags = new[] { CKA.CKA_LOCAL, CKA.CKA_ALWAYS_SENSITIVE, CKA.CKA_NEVER_EXTRACTABLE }
            .Select(type => (Type: type, Value: session.ReadFlag(root, type))).ToList();
        Add("root-made-in-token",
            flags.TrueForAll(flag => flag.Value == true) ? HsmGuaranteeState.Held
                : flags.Exists(flag => flag.Value == false) ? HsmGuaranteeState.Broken : HsmGuaranteeState.Unknown,
            "The root key was made in the token and was never extractable or readable.",
            string.Join(", ", flags.Select(flag => $"{flag.Type} is {flag.Value?.ToString() ?? "not known to the module"}")));
    }

    private void RootNotReadable() => Refuses("root-not-readable", "The value of the root key cannot be read.",
        () => session.ReadBytes(root, CKA.CKA_VALUE, 64, out _), "C_GetAttributeValue of CKA_VALUE");

    private void RootNotWrappable() => Refuses("root-not-extractable", "The root key cannot be wrapped, not even under itself or the backup key.",
        () => Worse(session.TryWrap(CKM.CKM_AES_KEY_WRAP, root, root, out _), session.TryWrap(CKM.CKM_AES_KEY_WRAP, backup, root, out _)),
        "C_WrapKey of the root under root and backup key");

    private void RootWrapOnlyUsage() => Refuses("root-only-wraps", "The root key wraps and unwraps, it does not encrypt, decrypt or sign.",
        () => Worse(session.TryEncryptInit(root), session.TryDecryptInit(root)), "C_EncryptInit and C_DecryptInit with the root key");

    private void RootNotCopyable() => Refuses("root-not-copyable", "The root key cannot be copied to a key with other attributes.",
        () =>
        {
            using var template = new AttributeTemplate().Add(CKA.CKA_TOKEN, false);
            var code = session.TryCopyObject(root, template, out var copy);
            session.DestroyQuietly(copy);
            return code;
        },
        "C_CopyObject of the root key");

    /// <summary>Sets the label it has already: on a module that lets it happen, nothing is changed.</summary>
    private void RootNotModifiable(Attachment attachment) => Refuses("root-not-modifiable", "The attributes of the root key cannot be changed.",
        () =>
        {
            using var template = new AttributeTemplate().Add(CKA.CKA_LABEL, KeyTemplates.RootLabel);
            return attachment.WithReadWrite(writer => writer.TrySet(root, template));
        },
        "C_SetAttributeValue of CKA_LABEL on the root key");

    private void UnwrapTemplateEnforced()
    {
        const string Statement = "Nobody, the service included, can unwrap a KEK under the root key so that it is readable or extractable.";
        using var template = KeyTemplates.Extractable(WrappedKeyKind.Kek, withLength: false);
        var code = session.TryUnwrap(CKM.CKM_AES_KEY_WRAP, root, blob, template, out var key);
        if (code != CKR.CKR_OK)
        {
            Add("unwrap-template-enforced", HsmGuaranteeState.Held, Statement, $"C_UnwrapKey with CKA_EXTRACTABLE true: {code}");
            return;
        }
        var extractable = session.ReadFlag(key, CKA.CKA_EXTRACTABLE) != false || session.ReadFlag(key, CKA.CKA_SENSITIVE) != true;
        session.DestroyQuietly(key);
        Add("unwrap-template-enforced", extractable ? HsmGuaranteeState.Broken : HsmGuaranteeState.Held, Statement,
            $"C_UnwrapKey with CKA_EXTRACTABLE true succeeded; the key came out {(extractable ? "extractable" : "protected all the same")}");
    }

    private void BackupWrapOnly() => Refuses("backup-key-wrap-only", "The backup key wraps and does nothing else: the service cannot read backups.",
        () =>
        {
            using var template = KeyTemplates.Unwrapped(WrappedKeyKind.Kek);
            var code = session.TryUnwrap(CKM.CKM_AES_KEY_WRAP, backup, backupBlob, template, out var key);
            session.DestroyQuietly(key);
            return Worse(code, session.TryDecryptInit(backup));
        },
        "C_UnwrapKey and C_DecryptInit with the backup key");

    private void KekNotReadable(KeyHandle kek) => Refuses("kek-not-readable", "The value of a loaded KEK cannot be read.",
        () => session.ReadBytes(kek, CKA.CKA_VALUE, 64, out _), "C_GetAttributeValue of CKA_VALUE");

    private void KekNotWrappable(KeyHandle kek) => Refuses("non-extractable-enforced", "A key that is not extractable cannot be wrapped.",
        () => session.TryWrap(CKM.CKM_AES_KEY_WRAP, root, kek, out _), "C_WrapKey of a loaded KEK under the root key");

    private void KekNotMadeExtractable(KeyHandle kek) => Refuses("extractable-is-final", "A key that is not extractable cannot be made so again.",
        () =>
        {
            using var template = new AttributeTemplate().Add(CKA.CKA_EXTRACTABLE, true);
            var code = session.TrySet(kek, template);
            return code == CKR.CKR_OK && session.ReadFlag(kek, CKA.CKA_EXTRACTABLE) == false ? CKR.CKR_ATTRIBUTE_READ_ONLY : code;
        },
        "C_SetAttributeValue of CKA_EXTRACTABLE on a loaded KEK");

    private void KekUsage(KeyHandle kek) => Refuses("kek-only-encrypts", "A KEK encrypts and decrypts, it does not wrap or unwrap keys.",
        () =>
        {
            using var template = KeyTemplates.Extractable(WrappedKeyKind.Kek);
            var other = session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "a key for the guarantee probe");
            var code = session.TryWrap(CKM.CKM_AES_KEY_WRAP, kek, other, out _);
            session.DestroyQuietly(other);
            return code;
        },
        "C_WrapKey with a KEK");

    private void EmptyIvRefused(Attachment attachment)
    {
        using var template = KeyTemplates.Extractable(WrappedKeyKind.Kek);
        var code = attachment.WithFreshSession(other =>
        {
            // Another session: a module that accepts an empty IV may leave the operation active in it.
            var key = other.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "a key for the guarantee probe");
            try
            {
                return other.TryEmptyIv(key);
            }
            finally
            {
                other.DestroyQuietly(key);
            }
        });
        Add("empty-iv-refused", code == ReturnCodes.Ok ? HsmGuaranteeState.Broken : HsmGuaranteeState.Held,
            "The module refuses AES-GCM without an IV.",
            $"C_EncryptInit and C_Encrypt with ulIvLen 0: {ReturnCodes.Name(code)}. The service refuses every IV but 12 bytes before the module sees it.",
            required: false);
    }

    private void DamageSaidSo(Attachment attachment, KeyHandle kek)
    {
        var code = attachment.WithFreshSession(other =>
        {
            Span<byte> iv = stackalloc byte[HsmSession.GcmIvLength];
            Span<byte> message = stackalloc byte[16 + HsmSession.GcmTagLength];
            Span<byte> output = stackalloc byte[message.Length];
            other.Random(iv);
            other.GcmEncrypt(kek, iv, [], stackalloc byte[16], message);
            message[0] ^= 1;
            return other.GcmDecrypt(kek, iv, [], message, output);
        });
        Add("damage-reported-clearly",
            code == ReturnCodes.Ok ? HsmGuaranteeState.Broken : ReturnCodes.IsDamagedInput(code) ? HsmGuaranteeState.Held : HsmGuaranteeState.Unknown,
            "Damaged ciphertext is refused, with a code that says so.",
            $"C_Decrypt of an altered message: {ReturnCodes.Name(code)}"
            + (ReturnCodes.IsAmbiguous(code) ? ", which a broken device answers too; the service tells them apart by the key's check value." : ""),
            required: code == ReturnCodes.Ok);
    }

    private void Refuses(string name, string statement, Func<CKR> attempt, string attempted)
    {
        CKR code;
        try
        {
            code = attempt();
        }
        catch (HsmException exception) when (exception.Fault != HsmFault.Unavailable)
        {
            Add(name, HsmGuaranteeState.Unknown, statement, $"{attempted} could not be tried: {exception.Message}");
            return;
        }
        Add(name, code == CKR.CKR_OK ? HsmGuaranteeState.Broken : HsmGuaranteeState.Held, statement, $"{attempted}: {code}");
    }

    private void Add(string name, HsmGuaranteeState state, string statement, string evidence, bool required = true) =>
        results.Add(new HsmGuarantee(name, state, required, statement, evidence));

    /// <summary>OK if either attempt got through.</summary>
    private static CKR Worse(CKR first, CKR second) => first == CKR.CKR_OK ? first : second;
}
