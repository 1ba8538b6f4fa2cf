using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Login;

/// <summary>The one place where C_Login is called, and where it is not called again.</summary>
internal static class TokenLogin
{
    internal static void LogIn(HsmSession session, TokenDescription token, PinSource source)
    {
        if (!token.HasUserPin)
        {
            throw new HsmException(HsmFault.PinUnavailable,
                $"The token '{token.Label}' has no user PIN yet. Its security officer sets one (SoftHSM: hsm-sim/softhsm-token.sh makes a token with one).");
        }
        if (token.IsPinLocked)
        {
            throw new HsmException(HsmFault.PinLocked,
                $"The token '{token.Label}' is locked after too many wrong PINs. Its security officer must set a new PIN; nothing was tried.");
        }
        if (token.IsLastPinTry)
        {
            throw new HsmException(HsmFault.PinLocked,
                $"One more wrong PIN locks the token '{token.Label}', so it was not tried. Check {source.Description}, log in once by hand "
                + $"(pkcs11-tool --login --token-label '{token.Label}' -O), and start again.");
        }
        using var pin = source.Read();
        if (RefusedPins.Contains(token.Serial, pin.DangerousSpan))
        {
            throw new HsmException(HsmFault.PinIncorrect,
                $"The token '{token.Label}' refused {source.Description} before; it was not sent again, since tokens lock after a few wrong PINs. "
                + "Correct the PIN; then the next attempt is made.");
        }
        var code = session.Login(pin.DangerousSpan);
        switch ((CKR)(uint)code)
        {
            case CKR.CKR_OK:
                return;
            case CKR.CKR_PIN_INCORRECT or CKR.CKR_PIN_INVALID or CKR.CKR_PIN_LEN_RANGE or CKR.CKR_PIN_EXPIRED:
                RefusedPins.Add(token.Serial, pin.DangerousSpan);
                throw new HsmException(HsmFault.PinIncorrect, "C_Login", code,
                    $"the token '{token.Label}' refuses {source.Description}. It is not tried again until it changes. Correct the PIN, then start again.");
            case CKR.CKR_PIN_LOCKED:
                RefusedPins.Add(token.Serial, pin.DangerousSpan);
                throw new HsmException(HsmFault.PinLocked, "C_Login", code,
                    $"the token '{token.Label}' is locked. Its security officer must set a new PIN.");
            default:
                throw Pkcs11Module.Failure(code, "C_Login", $"logging in to the token '{token.Label}' failed.");
        }
    }
}
