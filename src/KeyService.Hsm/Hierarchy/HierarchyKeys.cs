using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>Root key and backup key as found on the token, their attributes verified. Either may be absent on a new token.</summary>
internal sealed record HierarchyKeys(KeyHandle? Root, KeyHandle? Backup, string? BackupKeyId)
{
    internal static HierarchyKeys None { get; } = new(null, null, null);

    internal bool IsComplete => Root is not null && Backup is not null;

    internal static HierarchyKeys Find(HsmSession session)
    {
        var root = FindOne(session, KeyTemplates.RootLabel);
        if (root is { } rootKey)
        {
            KeyAttributes.RequireRoot(session, rootKey);
        }
        var backup = FindOne(session, KeyTemplates.BackupLabel);
        string? backupKeyId = null;
        if (backup is { } backupKey)
        {
            KeyAttributes.RequireBackup(session, backupKey);
            session.ReadBytes(backupKey, CKA.CKA_ID, 64, out var id);
            if (!BackupKey.WrapsAs(session, backupKey, id))
            {
                throw new HsmException(HsmFault.AttributesWrong,
                    "The backup key on the token wraps otherwise than its id says. Somebody else made or replaced it: do not use this token until that is explained.");
            }
            backupKeyId = Convert.ToHexStringLower(id);
        }
        return new HierarchyKeys(root, backup, backupKeyId);
    }

    internal KeyHandle RequireRoot() => Root ?? throw new HsmException(HsmFault.HierarchyMissing,
        "The token has no root key. Run `keyservice init` once to make the hierarchy, or check that this is the right token.");

    internal (KeyHandle Root, KeyHandle Backup, string BackupKeyId) Require()
    {
        if (Root is { } root && Backup is { } backup && BackupKeyId is { } id)
        {
            return (root, backup, id);
        }
        var missing = (Root, Backup) switch
        {
            (null, null) => "no root key and no backup key",
            (null, _) => "no root key",
            _ => "no backup key",
        };
        throw new HsmException(HsmFault.HierarchyMissing, $"The token has {missing}. Run `keyservice init` once to make the hierarchy.");
    }

    private static KeyHandle? FindOne(HsmSession session, string label)
    {
        using var template = KeyTemplates.FindSecretKey(label);
        return session.Find(template) switch
        {
            [] => null,
            [var only] => only,
            var several => throw new HsmException(HsmFault.HierarchyConflict,
                $"The token holds {several.Count} keys with the label '{label}'; it is not known which one is right. "
                + "Find out who made the second one (pkcs11-tool --login -O), and remove the wrong one by hand."),
        };
    }
}

/// <summary>A signing key of the token and its public half.</summary>
internal sealed record SigningKey(KeyHandle Private, byte[] SubjectPublicKeyInfo);
