using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace KeyService.Server.Oidc;

/// <summary>A public key of the issuer, for the one algorithm that it signs by.</summary>
internal sealed record IssuerKey(string Id, string Algorithm, SecurityKey Key);

/// <summary>
/// The keys of a JSON Web Key Set (RFC 7517) that sign access tokens: ECDSA P-256 for ES256, RSA of 2,048 bits and more for RS256 and PS256. Every
/// other key is passed over. A key id that stands there twice names none.
/// </summary>
internal static class IssuerKeySet
{
    public const string Es256 = SecurityAlgorithms.EcdsaSha256;
    public const string Rs256 = SecurityAlgorithms.RsaSha256;
    public const string Ps256 = SecurityAlgorithms.RsaSsaPssSha256;

    /// <summary>RFC 7518, 3.3 and 3.5.</summary>
    private const int LeastRsaBytes = 256;
    private const int MostRsaBytes = 1024;
    private const int CoordinateLength = 32;
    private const int MostKeys = 64;

    /// <summary>Keys by id and algorithm. An RSA key that says no algorithm stands there for both of its own.</summary>
    /// <exception cref="FormatException">It is no key set.</exception>
    public static FrozenDictionary<(string Id, string Algorithm), IssuerKey> Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("keys", out var list)
                || list.ValueKind != JsonValueKind.Array
                || list.GetArrayLength() > MostKeys)
            {
                throw new FormatException("The issuer's key set has no list of keys, or one of more than 64.");
            }

            return list.EnumerateArray().SelectMany(Read).GroupBy(key => (key.Id, key.Algorithm))
                .Where(group => group.Count() == 1).ToFrozenDictionary(group => group.Key, group => group.First());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException("The issuer's key set is not JSON.", e);
        }
    }

    private static IEnumerable<IssuerKey> Read(JsonElement key)
    {
        if (key.ValueKind != JsonValueKind.Object || Text(key, "kid") is not { Length: > 0 and <= 256 } id || Text(key, "use") is not (null or "sig"))
        {
            return [];
        }

        var named = Text(key, "alg");
        switch (Text(key, "kty"))
        {
            case "EC" when Text(key, "crv") == "P-256" && named is null or Es256 && Number(key, "x") is { Length: CoordinateLength } x
                && Number(key, "y") is { Length: CoordinateLength } y:
                return [new IssuerKey(id, Es256, Ec(id, x, y))];
            case "RSA" when Number(key, "n") is { Length: >= LeastRsaBytes and <= MostRsaBytes } n && Number(key, "e") is { Length: > 0 and <= 8 } e:
                return new[] { Rs256, Ps256 }.Where(algorithm => named is null || named == algorithm)
                    .Select(algorithm => new IssuerKey(id, algorithm, Rsa(id, n, e)));
            default:
                return [];
        }
    }

    private static JsonWebKey Ec(string id, byte[] x, byte[] y) => new()
    {
        Kid = id, Kty = JsonWebAlgorithmsKeyTypes.EllipticCurve, Crv = JsonWebKeyECTypes.P256, X = Base64UrlEncoder.Encode(x),
            Y = Base64UrlEncoder.Encode(y),
    };

    private static JsonWebKey Rsa(string id, byte[] n, byte[] e) => new()
    {
        Kid = id, Kty = JsonWebAlgorithmsKeyTypes.RSA, N = Base64UrlEncoder.Encode(n), E = Base64UrlEncoder.Encode(e),
    };

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[]? Number(JsonElement element, string name)
    {
        try
        {
            return Text(element, name) is { } text ? System.Buffers.Text.Base64Url.DecodeFromChars(text) : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
