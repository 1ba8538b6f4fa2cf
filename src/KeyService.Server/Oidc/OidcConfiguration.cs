namespace KeyService.Server.Oidc;

/// <summary>Section "oidc" of the configuration file: the one issuer whose access tokens name principals.</summary>
/// <param name="Issuer">As tokens have it in <c>iss</c>, byte for byte; its discovery document stands below it.</param>
/// <param name="Audience">What tokens for this service have in <c>aud</c>.</param>
/// <param name="CaPath">PEM: the CAs that the issuer's certificate must come from; null for the machine's.</param>
/// <param name="AnyType">Takes tokens whose <c>typ</c> is "JWT" too, from issuers that do not follow RFC 9068.</param>
/// <param name="KeyAge">How long keys that were fetched go on while the issuer does not answer.</param>
/// <param name="ClockSkew">By how much the clocks of issuer and service may differ.</param>
internal sealed record OidcConfiguration(string Issuer, string Audience, string? CaPath, bool AnyType, TimeSpan KeyAge, TimeSpan ClockSkew)
{
    /// <summary>Keys are fetched again after this time.</summary>
    public static readonly TimeSpan RefreshAfter = TimeSpan.FromMinutes(10);

    public string Discovery => Issuer.TrimEnd('/') + "/.well-known/openid-configuration";
}
