using System.Security.Cryptography;
using KeyService.Crypto.Transfers;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>
/// The transfer keys of peer tokens as session objects that wrap and do nothing else, gone when this is disposed of. They are brought in before the key that is
/// sealed to them is made, so that it is extractable for as few calls as can be.
/// </summary>
internal sealed class PeerKeys : IDisposable
{
    private readonly HsmSession session;
    private readonly string what;
    private readonly List<(TransferKey Peer, KeyHandle Key, int ModulusLength)> keys = [];

    /// <param name="session">Where they live.</param>
    /// <param name="peers">None is well.</param>
    /// <param name="what">What is to be sealed, for messages.</param>
    internal PeerKeys(HsmSession session, IReadOnlyList<TransferKey> peers, string what)
    {
        this.session = session;
        this.what = what;
        try
        {
            foreach (var peer in peers)
            {
                keys.Add(BringIn(peer));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>A blob for each peer, in their order.</summary>
    internal IReadOnlyList<SealedKek> Seal(KeyHandle extractable) => keys.ConvertAll(each => Seal(extractable, each.Peer, each.Key, each.ModulusLength));

    public void Dispose() => keys.ForEach(each => session.DestroyQuietly(each.Key));

    private (TransferKey Peer, KeyHandle Key, int ModulusLength) BringIn(TransferKey peer)
    {
        using var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(peer.PublicKey.Span, out _);
        var numbers = rsa.ExportParameters(includePrivateParameters: false);
        using var template = KeyTemplates.Peer(numbers.Modulus, numbers.Exponent);
        Check(session.TryCreateObject(template, out var key), "C_CreateObject", peer);
        return (peer, key, numbers.Modulus!.Length);
    }

    private SealedKek Seal(KeyHandle extractable, TransferKey peer, KeyHandle key, int modulusLength)
    {
        Check(session.TryWrapOaep(key, extractable, out var ciphertext), "C_WrapKey", peer);
        return new SealedKek(peer.TokenSerial, KeyBlob.FromSealed(ciphertext, modulusLength));
    }

    private void Check(CKR code, string function, TransferKey peer)
    {
        var explanation = $"{what} could not be sealed to the transfer key of token {peer.TokenSerial}, so it was not made.";
        try
        {
            session.Check(code, function, explanation);
        }
        catch (HsmException exception) when (IsRefusal(code))
        {
            throw new HsmException(HsmFault.MechanismMissing, function, (ulong)code,
                $"{explanation} This module seals none of its keys to an RSA key (CKM_RSA_PKCS_OAEP, SHA-1): its token can take keys in, but makes none in a group. "
                + "Let another token make them, or use another module or firmware.", exception);
        }
    }

    private static bool IsRefusal(CKR code) => code is CKR.CKR_MECHANISM_INVALID or CKR.CKR_MECHANISM_PARAM_INVALID or CKR.CKR_FUNCTION_NOT_SUPPORTED
        or CKR.CKR_KEY_UNEXTRACTABLE or CKR.CKR_KEY_NOT_WRAPPABLE or CKR.CKR_KEY_FUNCTION_NOT_PERMITTED or CKR.CKR_WRAPPING_KEY_TYPE_INCONSISTENT
        or CKR.CKR_WRAPPING_KEY_SIZE_RANGE;
}
