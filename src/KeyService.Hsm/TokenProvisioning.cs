namespace KeyService.Hsm;

/// <summary>Makes a new token of an uninitialised slot, without a PIN ever standing in an argument list.</summary>
public static class TokenProvisioning
{
    /// <summary>Initialises a free slot as a token with the given label and random PINs, kept in files of mode 0600.
    /// Returns the token's serial number. A token of that label that exists already is left alone and its serial returned.</summary>
    public static string InitializeToken(string modulePath, string label, string pinFile, string securityOfficerPinFile) => throw new NotImplementedException();
}
