using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Sessions;

/// <summary>The security officer's calls, which make a new token usable.</summary>
internal sealed unsafe partial class HsmSession
{
    internal void LoginSecurityOfficer(ReadOnlySpan<byte> pin)
    {
        fixed (byte* start = Somewhere(pin))
        {
            Check(native.Login(Handle, (ulong)CKU.CKU_SO, start, (ulong)pin.Length), "C_Login", "the security officer could not log in.");
        }
    }

    internal void InitializeUserPin(ReadOnlySpan<byte> pin)
    {
        fixed (byte* start = pin)
        {
            Check(native.InitPin(Handle, start, (ulong)pin.Length), "C_InitPIN", "the user PIN could not be set.");
        }
    }

    /// <summary>C_Logout of the application; only where no other session of this process uses the token.</summary>
    internal void Logout() => _ = module.Library.C_Logout(Handle);

    /// <summary>C_InitToken: erases whatever the slot's token holds. Label: at most 32 bytes.</summary>
    internal static void InitializeToken(Pkcs11Module module, ulong slotId, ReadOnlySpan<byte> officerPin, ReadOnlySpan<byte> label)
    {
        Span<byte> padded = stackalloc byte[32];
        padded.Fill((byte)' ');
        label.CopyTo(padded);
        fixed (byte* pin = officerPin, name = padded)
        {
            var code = module.Native.InitToken(slotId, pin, (ulong)officerPin.Length, name);
            Pkcs11Module.Check((CKR)(uint)code, "C_InitToken", "the token could not be initialised. For SoftHSM, check that its token directory is writable.");
        }
    }
}
