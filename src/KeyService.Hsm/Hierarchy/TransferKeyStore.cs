using System.Security.Cryptography;
using KeyService.Crypto.Transfers;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// The RSA key of a token that other keys are brought in under: a pair on the token whose private half only unwraps, made when first asked for.
/// </summary>
internal static class TransferKeyStore
{
    private const string Label = "keyservice transfer key";
    private const int ModulusBits = 3072;

    private static ReadOnlySpan<byte> PublicExponent => [0x01, 0x00, 0x01];

    /// <summary>The public half, found or made. Under the keeper's lock, so that two calls of this process do not make two.</summary>
    internal static TransferKey FindOrCreate(Attachment attachment, out bool created)
    {
        var (key, isNew) = attachment.WithKeeper(keeper => Find(keeper) is var (publicKey, _)
            ? (ReadPublicKey(keeper, publicKey, attachment.Token.Serial), false)
            : (attachment.WithReadWrite(session => Create(session, attachment.Token.Serial)), true));
        created = isNew;
        return key;
    }

    /// <summary>Unwraps a sealed backup key to a token object that wraps only.</summary>
    internal static KeyHandle Unwrap(Attachment attachment, HsmSession readWrite, SealedBackupKey sealedKey)
    {
        var (publicKey, privateKey) = Require(attachment);
        var own = ReadPublicKey(readWrite, publicKey, attachment.Token.Serial);
        if (!own.Fingerprint.AsSpan().SequenceEqual(sealedKey.TransferKeyFingerprint.Span))
        {
            throw new HsmException(HsmFault.IntegrityFailure,
                $"The backup key was sealed for another token (serial {sealedKey.TokenSerial}) or to an earlier transfer key of this one ({attachment.Token.Serial}).");
        }
        return TemplateFallback.Make(reach =>
        {
            using var template = KeyTemplates.Backup(sealedKey.KeyId.Span, reach);
            var code = readWrite.TryUnwrapOaep(privateKey, sealedKey.Wrapped.ToArray(), template, out var handle);
            return ReturnCodes.IsDamagedInput((ulong)code)
                ? throw new HsmException(HsmFault.IntegrityFailure, "C_UnwrapKey", (ulong)code, "The sealed backup key does not open under this token's transfer key: it was changed on its way.")
                : code == CKR.CKR_OK ? handle : throw Pkcs11Module.Failure((ulong)code, "C_UnwrapKey", "the sealed backup key could not be unwrapped.");
        });
    }

    /// <summary>The pair, which must be there.</summary>
    internal static (KeyHandle Public, KeyHandle Private) Require(Attachment attachment) => attachment.WithKeeper(Find)
        ?? throw new HsmException(HsmFault.HierarchyMissing,
            "The token has no transfer key, so nothing can have been sealed to it. Make one, and have the key that is to come in sealed to that.");

    /// <summary>The modulus without leading zeros, 384 bytes or more: what is sealed to it is as long, and a lesser number.</summary>
    internal static byte[] Modulus(HsmSession session, KeyHandle publicKey)
    {
        session.ReadBytes(publicKey, CKA.CKA_MODULUS, 1024, out var modulus);
        return modulus.AsSpan().TrimStart((byte)0).ToArray();
    }

    private static (KeyHandle Public, KeyHandle Private)? Find(HsmSession session)
    {
        using var publicTemplate = Search(CKO.CKO_PUBLIC_KEY);
        using var privateTemplate = Search(CKO.CKO_PRIVATE_KEY);
        switch ((session.Find(publicTemplate), session.Find(privateTemplate)))
        {
            case ([], []):
                return null;
            case ([var publicKey], [var privateKey]):
                KeyAttributes.RequireProtected(session, privateKey, "The transfer key");
                return (publicKey, privateKey);
            case var (publicKeys, privateKeys):
                throw new HsmException(HsmFault.HierarchyConflict,
                    $"The token holds {publicKeys.Count} public and {privateKeys.Count} private transfer keys; it must be one of each. "
                    + "Find out who made the others (pkcs11-tool --login -O), and remove the wrong ones by hand.");
        }
    }

    private static TransferKey Create(HsmSession session, string serial)
    {
        using var publicTemplate = Named(CKO.CKO_PUBLIC_KEY)
            .Add(CKA.CKA_PRIVATE, false).Add(CKA.CKA_WRAP, true).Add(CKA.CKA_ENCRYPT, false).Add(CKA.CKA_VERIFY, false)
            .Add(CKA.CKA_MODULUS_BITS, (ulong)ModulusBits).Add(CKA.CKA_PUBLIC_EXPONENT, PublicExponent);
        using var privateTemplate = Named(CKO.CKO_PRIVATE_KEY)
            .Add(CKA.CKA_PRIVATE, true).Add(CKA.CKA_SENSITIVE, true).Add(CKA.CKA_EXTRACTABLE, false)
            .Add(CKA.CKA_UNWRAP, true).Add(CKA.CKA_DECRYPT, false).Add(CKA.CKA_SIGN, false).Add(CKA.CKA_DERIVE, false);
        var (publicKey, privateKey) = session.GenerateKeyPair(CKM.CKM_RSA_PKCS_KEY_PAIR_GEN, publicTemplate, privateTemplate, "The transfer key");
        try
        {
            KeyAttributes.RequireProtected(session, privateKey, "The transfer key");
            return ReadPublicKey(session, publicKey, serial);
        }
        catch
        {
            session.DestroyQuietly(publicKey);
            session.DestroyQuietly(privateKey);
            throw;
        }
    }

    private static TransferKey ReadPublicKey(HsmSession session, KeyHandle publicKey, string serial)
    {
        session.ReadBytes(publicKey, CKA.CKA_PUBLIC_EXPONENT, 16, out var exponent);
        try
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = Modulus(session, publicKey), Exponent = exponent });
            return TransferKey.Create(serial, rsa.ExportSubjectPublicKeyInfo());
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw new HsmException(HsmFault.AttributesWrong, "C_GetAttributeValue", 0,
                "The transfer key on the token is no RSA key of 3,072 bits or more, or the token has no serial number. Somebody else made it: do not use this token until that is explained.", exception);
        }
    }

    private static AttributeTemplate Search(CKO objectClass) =>
        new AttributeTemplate().Add(CKA.CKA_CLASS, objectClass).Add(CKA.CKA_TOKEN, true).Add(CKA.CKA_LABEL, Label);

    private static AttributeTemplate Named(CKO objectClass) => new AttributeTemplate()
        .Add(CKA.CKA_CLASS, objectClass).Add(CKA.CKA_KEY_TYPE, CKK.CKK_RSA).Add(CKA.CKA_TOKEN, true).Add(CKA.CKA_MODIFIABLE, false).Add(CKA.CKA_LABEL, Label);
}
