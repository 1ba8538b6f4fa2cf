using System.Text;
using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;

namespace KeyService.Hsm.Login;

/// <summary>Finds the slot that holds the configured token. Slot numbers are not stable (SoftHSM derives them anew), serials are.</summary>
internal static class TokenLocator
{
    internal static (ulong SlotId, TokenDescription Token) Find(Pkcs11Module module, string? label, string? serial)
    {
        if (string.IsNullOrEmpty(label) && string.IsNullOrEmpty(serial))
        {
            throw new HsmException(HsmFault.Misconfigured, "Name the token: hsm.tokenSerial (preferred) or hsm.tokenLabel.");
        }
        var present = All(module).Where(entry => entry.Token.IsInitialized).ToList();
        var matches = present.Where(entry =>
            (string.IsNullOrEmpty(label) || entry.Token.Label == label) && (string.IsNullOrEmpty(serial) || entry.Token.Serial == serial)).ToList();
        return matches switch
        {
            [var only] => only,
            [] => throw new HsmException(HsmFault.TokenNotFound, $"{module.Path} has no token with {Wanted(label, serial)}. {Describe(present)}"),
            _ => throw new HsmException(HsmFault.TokenNotFound,
                $"{module.Path} has {matches.Count} tokens with {Wanted(label, serial)}; tell them apart by hsm.tokenSerial. {Describe(matches)}"),
        };
    }

    internal static List<(ulong SlotId, TokenDescription Token)> All(Pkcs11Module module)
    {
        const string Explanation = "the module's slots could not be listed.";
        ulong count = 0;
        Pkcs11Module.Check(module.Library.C_GetSlotList(true, null, ref count), "C_GetSlotList", Explanation);
        var slots = new ulong[count];
        if (count > 0)
        {
            Pkcs11Module.Check(module.Library.C_GetSlotList(true, slots, ref count), "C_GetSlotList", Explanation);
        }
        return [.. slots.Take((int)count).Select(slot => (slot, Describe(module, slot)))];
    }

    internal static TokenDescription Describe(Pkcs11Module module, ulong slotId)
    {
        var info = new CK_TOKEN_INFO();
        Pkcs11Module.Check(module.Library.C_GetTokenInfo(slotId, ref info), "C_GetTokenInfo",
            "the token does not answer. Check that the device is connected and, for SoftHSM, that its token directory exists.");
        return new TokenDescription(
            Text(info.Label), Text(info.ManufacturerId), Text(info.Model), Text(info.SerialNumber), info.Flags,
            info.FirmwareVersion.ToString(), info.HardwareVersion.ToString());
    }

    internal static string Text(byte[] padded) => Encoding.UTF8.GetString(padded).TrimEnd(' ', '\0');

    private static string Wanted(string? label, string? serial) =>
        string.Join(" and ", new[] { label is { Length: > 0 } ? $"label '{label}'" : null, serial is { Length: > 0 } ? $"serial '{serial}'" : null }
            .Where(part => part is not null));

    private static string Describe(List<(ulong SlotId, TokenDescription Token)> tokens) => tokens.Count == 0
        ? "It holds no initialised token at all. For SoftHSM, check that SOFTHSM2_CONF is set and names the right token directory."
        : "Present: " + string.Join(", ", tokens.Select(entry => $"'{entry.Token.Label}' (serial {entry.Token.Serial})")) + ".";
}

/// <summary>CK_TOKEN_INFO as text and flags.</summary>
internal sealed record TokenDescription(
    string Label, string Manufacturer, string Model, string Serial, ulong Flags, string FirmwareVersion, string HardwareVersion)
{
    internal bool IsInitialized => (Flags & CKF.CKF_TOKEN_INITIALIZED) != 0;

    internal bool HasUserPin => (Flags & CKF.CKF_USER_PIN_INITIALIZED) != 0;

    internal bool IsPinLocked => (Flags & CKF.CKF_USER_PIN_LOCKED) != 0;

    internal bool IsLastPinTry => (Flags & CKF.CKF_USER_PIN_FINAL_TRY) != 0;
}
