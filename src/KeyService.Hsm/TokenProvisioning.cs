using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.IO;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm;

/// <summary>
/// Makes a new token in a free slot. The PINs are random, go from locked memory to the module and to files of mode 0600, and never stand in an argument list,
/// as they must with softhsm2-util or pkcs11-tool.
/// </summary>
public static class TokenProvisioning
{
    private const int PinBytes = 16;
    private const int MaxLabelLength = 32;

    /// <summary>
    /// Initialises a slot that holds no token yet. A token of that label that stands already is left alone. Can be repeated after a crash: the PIN files are
    /// written first and used again.
    /// </summary>
    /// <param name="modulePath">The PKCS#11 module; SoftHSM finds its directory by SOFTHSM2_CONF.</param>
    /// <param name="label">1 to 32 bytes of UTF-8.</param>
    /// <param name="pinFile">Gets the user PIN: 32 hexadecimal digits, mode 0600.</param>
    /// <param name="securityOfficerPinFile">Gets the security officer's PIN, likewise.</param>
    /// <param name="nssParameters">Only for NSS modules.</param>
    /// <returns>Serial number of the token.</returns>
    /// <exception cref="HsmException">No free slot, or the module refuses.</exception>
    public static string InitializeToken(
        string modulePath, string label, string pinFile, string securityOfficerPinFile, string? nssParameters = null)
    {
        var labelBytes = Encoding.UTF8.GetBytes(label);
        if (labelBytes.Length is 0 or > MaxLabelLength)
        {
            throw new ArgumentException($"A token label is 1 to {MaxLabelLength} bytes.", nameof(label));
        }
        var module = Pkcs11Module.Acquire(modulePath, nssParameters);
        try
        {
            module.Gate.EnterAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
            try
            {
                return FindReady(module, label) is { } ready
                    ? ready.Token.Serial
                    : nssParameters is null ? Initialize(module, label, labelBytes, pinFile, securityOfficerPinFile)
                    : SetFirstPin(module, label, pinFile);
            }
            finally
            {
                module.Gate.Exit();
            }
        }
        finally
        {
            module.Release();
        }
    }

    /// <summary>Initialises a token again, by which every object on it is destroyed. It keeps its label and has no user PIN afterwards.</summary>
    /// <param name="modulePath">The PKCS#11 module.</param>
    /// <param name="label">Which token; NSS gives all of its tokens the same serial number.</param>
    /// <param name="serial">And its serial number.</param>
    /// <param name="securityOfficerPinFile">The security officer's PIN.</param>
    /// <param name="nssParameters">Only for NSS modules.</param>
    /// <exception cref="HsmException">The token is not there, in use, or refuses; or it holds objects or a user PIN still.</exception>
    public static void WipeToken(string modulePath, string label, string serial, string securityOfficerPinFile, string? nssParameters = null)
    {
        var module = Pkcs11Module.Acquire(modulePath, nssParameters);
        module.Gate.EnterAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        try
        {
            var (slot, token) = TokenLocator.Find(module, label, serial);
            using (var source = PinSource.Open(new HsmConfiguration { ModulePath = modulePath, PinFile = securityOfficerPinFile }))
            using (var pin = source.Read())
            {
                HsmSession.InitializeToken(module, slot, pin.DangerousSpan, Encoding.UTF8.GetBytes(token.Label));
            }
            // SoftHSM gives a new serial number with it: the old one is gone, or stands without a PIN.
            if (TokenLocator.All(module).Any(entry => entry.Token.Label == label && entry.Token.Serial == serial && entry.Token.HasUserPin))
            {
                throw new HsmException(HsmFault.Unexpected, $"Token {serial} was initialised again and still has its user PIN. Wipe it by the vendor's own means.");
            }
        }
        finally
        {
            module.Gate.Exit();
            module.Release();
        }
    }

    /// <summary>Whether the token of that serial number is gone and the only one of its label has no user PIN: what <see cref="WipeToken"/> leaves where a new serial number comes with it.</summary>
    /// <exception cref="HsmException">The slots cannot be listed.</exception>
    public static bool IsWiped(string modulePath, string label, string serial, string? nssParameters = null)
    {
        var module = Pkcs11Module.Acquire(modulePath, nssParameters);
        module.Gate.EnterAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult();
        try
        {
            var present = TokenLocator.All(module).Where(entry => entry.Token.IsInitialized && entry.Token.Label == label).ToList();
            return present is [{ Token: { HasUserPin: false } only }] && only.Serial != serial;
        }
        finally
        {
            module.Gate.Exit();
            module.Release();
        }
    }

    private static string Initialize(Pkcs11Module module, string label, byte[] labelBytes, string pinFile, string officerPinFile)
    {
        using var officerPin = ReadOrMakePin(officerPinFile);
        using var userPin = ReadOrMakePin(pinFile);
        if (Find(module, label) is not { } slot)
        {
            var free = TokenLocator.All(module).Where(entry => !entry.Token.IsInitialized).Select(entry => (ulong?)entry.SlotId).FirstOrDefault()
                ?? throw new HsmException(HsmFault.TokenNotFound, $"{module.Path} has no slot without a token, so there is no room for '{label}'.");
            HsmSession.InitializeToken(module, free, officerPin.DangerousSpan, labelBytes);
            // SoftHSM derives the slot number from the serial it just gave: look again.
            slot = Find(module, label)
                ?? throw new HsmException(HsmFault.TokenNotFound, $"The token '{label}' was initialised but does not show up in any slot of {module.Path}.");
        }
        SetUserPin(module, slot.SlotId, officerPin.DangerousSpan, userPin.DangerousSpan);
        return slot.Token.Serial;
    }

    /// <summary>NSS has its token from the start, under a name of its own; only its first PIN is missing, set with an empty officer's PIN.</summary>
    private static string SetFirstPin(Pkcs11Module module, string label, string pinFile)
    {
        using var userPin = ReadOrMakePin(pinFile);
        var (slotId, token) = TokenLocator.All(module).Where(entry => entry.Token.Label == label)
            .Select(entry => ((ulong, TokenDescription)?)entry).FirstOrDefault()
            ?? throw new HsmException(HsmFault.TokenNotFound, $"{module.Path} has no token '{label}'; that of a key database is called 'NSS Certificate DB'.");
        SetUserPin(module, slotId, [], userPin.DangerousSpan);
        return token.Serial;
    }

    private static void SetUserPin(Pkcs11Module module, ulong slotId, ReadOnlySpan<byte> officerPin, ReadOnlySpan<byte> userPin)
    {
        var session = new HsmSession(module, slotId, readWrite: true);
        try
        {
            session.LoginSecurityOfficer(officerPin);
            session.InitializeUserPin(userPin);
            session.Logout();
        }
        finally
        {
            session.Close();
        }
    }

    private static (ulong SlotId, TokenDescription Token)? FindReady(Pkcs11Module module, string label) =>
        Find(module, label) is { Token.HasUserPin: true } ready ? ready : null;

    private static (ulong SlotId, TokenDescription Token)? Find(Pkcs11Module module, string label) =>
        TokenLocator.All(module).Where(entry => entry.Token.IsInitialized && entry.Token.Label == label)
            .Select(entry => ((ulong, TokenDescription)?)entry).FirstOrDefault();

    private static SecretBuffer ReadOrMakePin(string path)
    {
        if (File.Exists(path))
        {
            using var source = PinSource.Open(new HsmConfiguration { ModulePath = "", PinFile = path });
            return source.Read();
        }
        using var random = SecretBuffer.Random(PinBytes);
        var pin = new SecretBuffer(2 * PinBytes);
        Convert.TryToHexStringLower(random.DangerousSpan, pin.DangerousSpan, out _);
        DurableFile.WriteAllBytes(path, pin.DangerousSpan, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return pin;
    }
}
