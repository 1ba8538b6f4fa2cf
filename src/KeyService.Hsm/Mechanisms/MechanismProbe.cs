using System.Formats.Asn1;
using System.Security.Cryptography;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Mechanisms;

/// <summary>
/// Tries every mechanism on a published vector before the hierarchy rests on it. Numbers are no proof: 0x210A is RFC 5649 on SoftHSM and something else on
/// NSS and openCryptoki. A wrong answer refuses the module.
/// </summary>
internal static class MechanismProbe
{
    internal static List<HsmMechanismChoice> Run(HsmSession session) =>
        [KeyWrap(session), Gcm(session), Hmac(session), Ecdsa(session)];

    private static HsmMechanismChoice KeyWrap(HsmSession session)
    {
        const string Algorithm = "AES-KW (RFC 3394)";
        return WithKnownKey(session, WrappedKeyKind.WrappingTest, KnownAnswers.KeyWrapKey, Algorithm, CKM.CKM_AES_KEY_WRAP, "RFC 3394 section 4.6",
            wrapping => WithKnownKey(session, WrappedKeyKind.Kek, KnownAnswers.KeyWrapData, Algorithm, CKM.CKM_AES_KEY_WRAP, "RFC 3394 section 4.6",
                data => session.Wrap(CKM.CKM_AES_KEY_WRAP, wrapping, data, "the test key").AsSpan().SequenceEqual(KnownAnswers.KeyWrapResult)));
    }

    private static HsmMechanismChoice Gcm(HsmSession session) =>
        WithKnownKey(session, WrappedKeyKind.Kek, KnownAnswers.GcmKey, "AES-256-GCM (SP 800-38D)", CKM.CKM_AES_GCM, "McGrew-Viega test case 16",
            key =>
            {
                Span<byte> output = stackalloc byte[KnownAnswers.GcmPlaintext.Length + HsmSession.GcmTagLength];
                session.GcmEncrypt(key, KnownAnswers.GcmIv, KnownAnswers.GcmAssociatedData, KnownAnswers.GcmPlaintext, output);
                Span<byte> back = stackalloc byte[output.Length];
                return output.SequenceEqual(KnownAnswers.GcmResult)
                    && session.GcmDecrypt(key, KnownAnswers.GcmIv, KnownAnswers.GcmAssociatedData, output, back) == ReturnCodes.Ok
                    && back[..KnownAnswers.GcmPlaintext.Length].SequenceEqual(KnownAnswers.GcmPlaintext);
            });

    private static HsmMechanismChoice Hmac(HsmSession session) =>
        WithKnownKey(session, WrappedKeyKind.Integrity, KnownAnswers.HmacKey, "HMAC-SHA-256 (RFC 2104)", CKM.CKM_SHA256_HMAC, "RFC 4231 test case 6",
            key =>
            {
                Span<byte> mac = stackalloc byte[SHA256.HashSizeInBytes];
                return session.Sign(CKM.CKM_SHA256_HMAC, key, KnownAnswers.HmacData, mac) == mac.Length && mac.SequenceEqual(KnownAnswers.HmacResult);
            });

    /// <summary>ECDSA draws its own nonce, so there is no known answer: a signature by the token is checked by the platform.</summary>
    private static HsmMechanismChoice Ecdsa(HsmSession session)
    {
        const string Algorithm = "ECDSA P-256 (FIPS 186-5)";
        using var publicTemplate = SigningKeyStore.Public(label: null, token: false);
        using var privateTemplate = SigningKeyStore.Private(label: null, token: false);
        var (publicKey, privateKey) = session.GenerateKeyPair(CKM.CKM_EC_KEY_PAIR_GEN, publicTemplate, privateTemplate, "The ECDSA test key");
        try
        {
            using var verifier = SigningKeyStore.ReadPublicKey(session, publicKey);
            var digest = SHA256.HashData("keyservice mechanism probe"u8);
            Span<byte> signature = stackalloc byte[SigningKeyStore.SignatureLength];
            var length = session.Sign(CKM.CKM_ECDSA, privateKey, digest, signature);
            return length == signature.Length && verifier.VerifyHash(digest, signature)
                ? Choice(Algorithm, CKM.CKM_ECDSA, HsmMechanismProof.CrossCheck, "verified by the platform's ECDSA")
                : throw WrongAnswer(Algorithm, CKM.CKM_ECDSA, "the platform's check of a signature");
        }
        catch (AsnContentException exception)
        {
            throw new HsmException(HsmFault.MechanismMissing, $"The module's CKA_EC_POINT cannot be read: {exception.Message}", exception);
        }
        finally
        {
            session.DestroyQuietly(publicKey);
            session.DestroyQuietly(privateKey);
        }
    }

    private static HsmMechanismChoice WithKnownKey(
        HsmSession session, WrappedKeyKind kind, ReadOnlySpan<byte> value, string algorithm, CKM mechanism, string vector, Func<KeyHandle, object> test)
    {
        using var template = KeyTemplates.Known(kind, value);
        var code = session.TryCreateObject(template, out var key);
        if (code is CKR.CKR_TEMPLATE_INCONSISTENT or CKR.CKR_ATTRIBUTE_VALUE_INVALID or CKR.CKR_ATTRIBUTE_READ_ONLY or CKR.CKR_FUNCTION_NOT_SUPPORTED
            or CKR.CKR_ACTION_PROHIBITED or CKR.CKR_USER_NOT_LOGGED_IN)
        {
            // Modules in a FIPS mode import no key values. Round trips and check values are then the only proof.
            return Choice(algorithm, mechanism, HsmMechanismProof.Untestable, $"the module imports no keys ({code})");
        }
        Pkcs11Module.Check(code, "C_CreateObject", $"the test key for {algorithm} could not be imported.");
        try
        {
            return test(key) switch
            {
                HsmMechanismChoice inner => inner,
                true => Choice(algorithm, mechanism, HsmMechanismProof.KnownAnswer, vector),
                _ => throw WrongAnswer(algorithm, mechanism, vector),
            };
        }
        catch (HsmException exception) when (exception.ReturnCode is (ulong)CKR.CKR_MECHANISM_INVALID or (ulong)CKR.CKR_MECHANISM_PARAM_INVALID)
        {
            throw new HsmException(HsmFault.MechanismMissing, exception.Function, exception.ReturnCode,
                $"the module has no {mechanism} for {algorithm}, which this service needs. Use another module or firmware.", exception);
        }
        finally
        {
            session.DestroyQuietly(key);
        }
    }

    private static HsmMechanismChoice Choice(string algorithm, CKM mechanism, HsmMechanismProof proof, string vector) =>
        new(algorithm, (ulong)mechanism, mechanism.ToString(), proof, vector);

    private static HsmException WrongAnswer(string algorithm, CKM mechanism, string vector) => new(HsmFault.MechanismMissing,
        $"{mechanism} of this module is not {algorithm}: it fails {vector}. Nothing may be encrypted with it; use another module or firmware.");
}
