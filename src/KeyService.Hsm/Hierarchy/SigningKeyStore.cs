using System.Buffers;
using System.Formats.Asn1;
using System.Security.Cryptography;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>ECDSA P-256 keys that stand on the token, one for each label (checkpoints, manifests, transcripts), made when first asked for.</summary>
internal static class SigningKeyStore
{
    /// <summary>r and s, 32 bytes each, big-endian (IEEE P1363): what CKM_ECDSA gives.</summary>
    internal const int SignatureLength = 64;

    private const string LabelPrefix = "keyservice signing ";
    private const int MaxLabelLength = 64;

    private static readonly SearchValues<char> LabelCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-/.");

    /// <summary>DER of the object identifier of secp256r1.</summary>
    private static ReadOnlySpan<byte> P256 => [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

    internal static void RequireLabel(string label)
    {
        ArgumentNullException.ThrowIfNull(label);
        if (label.Length is 0 or > MaxLabelLength || label.AsSpan().IndexOfAnyExcept(LabelCharacters) >= 0)
        {
            throw new ArgumentException($"A signing label is 1 to {MaxLabelLength} characters of a-z, 0-9, '-', '/' and '.'.", nameof(label));
        }
    }

    /// <summary>The key of that label, found or made. <paramref name="created"/> tells which.</summary>
    internal static SigningKey FindOrCreate(Attachment attachment, string label, out bool created)
    {
        created = false;
        if (attachment.SigningKeys.TryGetValue(label, out var known))
        {
            return known;
        }
        // Under the keeper's lock, so that two calls of this process do not make two keys.
        var (key, isNew) = attachment.WithKeeper(keeper =>
        {
            if (attachment.SigningKeys.TryGetValue(label, out var meanwhile))
            {
                return (meanwhile, false);
            }
            var found = Find(keeper, label);
            var result = found ?? attachment.WithReadWrite(session => Create(session, label));
            attachment.SigningKeys[label] = result;
            return (result, found is null);
        });
        created = isNew;
        return key;
    }

    internal static AttributeTemplate Public(string? label, bool token) => Named(label, CKO.CKO_PUBLIC_KEY, token)
        .Add(CKA.CKA_PRIVATE, false)
        .Add(CKA.CKA_VERIFY, true)
        .Add(CKA.CKA_EC_PARAMS, P256);

    internal static AttributeTemplate Private(string? label, bool token) => Named(label, CKO.CKO_PRIVATE_KEY, token)
        .Add(CKA.CKA_PRIVATE, true)
        .Add(CKA.CKA_SENSITIVE, true)
        .Add(CKA.CKA_EXTRACTABLE, false)
        .Add(CKA.CKA_SIGN, true)
        .Add(CKA.CKA_DERIVE, false);

    internal static ECDsa ReadPublicKey(HsmSession session, KeyHandle publicKey)
    {
        session.ReadBytes(publicKey, CKA.CKA_EC_POINT, 128, out var encoded);
        // The standard says a DER OCTET STRING around the point; some modules give the bare point of 65 bytes.
        var point = encoded is [0x04, _, ..] && encoded.Length == 65 ? encoded : AsnDecoder.ReadOctetString(encoded, AsnEncodingRules.DER, out _);
        if (point is not [0x04, ..] || point.Length != 65)
        {
            throw new AsnContentException("not an uncompressed point of P-256");
        }
        return ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = point[1..33], Y = point[33..] } });
    }

    private static AttributeTemplate Named(string? label, CKO objectClass, bool token)
    {
        var template = new AttributeTemplate()
            .Add(CKA.CKA_CLASS, objectClass)
            .Add(CKA.CKA_KEY_TYPE, CKK.CKK_EC)
            .Add(CKA.CKA_TOKEN, token);
        if (label is null)
        {
            return template;
        }
        return template.Add(CKA.CKA_MODIFIABLE, false).Add(CKA.CKA_LABEL, LabelPrefix + label);
    }

    private static SigningKey? Find(HsmSession session, string label)
    {
        using var privateTemplate = Search(CKO.CKO_PRIVATE_KEY, label);
        using var publicTemplate = Search(CKO.CKO_PUBLIC_KEY, label);
        switch ((session.Find(privateTemplate), session.Find(publicTemplate)))
        {
            case ([], _):
                return null;
            case ([var privateKey], [var publicKey]):
                KeyAttributes.RequireProtected(session, privateKey, $"The signing key '{label}'");
                using (var verifier = ReadPublicKey(session, publicKey))
                {
                    return new SigningKey(privateKey, verifier.ExportSubjectPublicKeyInfo());
                }
            case var (privateKeys, publicKeys):
                throw new HsmException(HsmFault.HierarchyConflict,
                    $"The token holds {privateKeys.Count} private and {publicKeys.Count} public keys for the signing label '{label}'; it must be one of each. "
                    + "Find out who made the others (pkcs11-tool --login -O), and remove the wrong ones by hand.");
        }
    }

    private static AttributeTemplate Search(CKO objectClass, string label) => new AttributeTemplate()
        .Add(CKA.CKA_CLASS, objectClass).Add(CKA.CKA_TOKEN, true).Add(CKA.CKA_LABEL, LabelPrefix + label);

    private static SigningKey Create(HsmSession session, string label)
    {
        using var publicTemplate = Public(label, token: true);
        using var privateTemplate = Private(label, token: true);
        var (publicKey, privateKey) = session.GenerateKeyPair(
            CKM.CKM_EC_KEY_PAIR_GEN, publicTemplate, privateTemplate, $"The signing key '{label}'");
        try
        {
            KeyAttributes.RequireProtected(session, privateKey, $"The signing key '{label}'");
            using var verifier = ReadPublicKey(session, publicKey);
            return new SigningKey(privateKey, verifier.ExportSubjectPublicKeyInfo());
        }
        catch
        {
            session.DestroyQuietly(publicKey);
            session.DestroyQuietly(privateKey);
            throw;
        }
    }
}
