using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using KeyService.Server.Oidc;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Oidc;

/// <summary>An issuer in this process: its documents, its keys, and tokens signed by the base class library alone.</summary>
internal sealed class TestIssuer : IDisposable
{
    public const string Url = "https://issuer.test/realm";
    public const string Audience = "https://keyservice.test";

    public TestIssuer(bool anyType = false)
    {
        Configuration = new OidcConfiguration(Url, Audience, null, anyType, TimeSpan.FromHours(24), TimeSpan.FromSeconds(30));
        Keys = new IssuerKeys(Configuration, FetchAsync, Time, new OidcLog(NullLogger<OidcLog>.Instance));
        Tokens = new AccessTokens(Configuration, Keys, Time);
    }

    public TestClock Time { get; } = new();

    public OidcConfiguration Configuration { get; }

    public IssuerKeys Keys { get; }

    public AccessTokens Tokens { get; }

    public ECDsa Ec { get; private set; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public RSA Rsa { get; } = RSA.Create(2048);

    public string EcId { get; private set; } = "ec-1";

    public bool IsDown { get; set; }

    public int Fetches { get; private set; }

    /// <summary>What the discovery document says.</summary>
    public string DiscoveryIssuer { get; set; } = Url;

    public string KeysUrl { get; set; } = "https://issuer.test/jwks";

    /// <summary>Further members of the key set.</summary>
    public List<object> MoreKeys { get; } = [];

    public void Rotate()
    {
        Ec.Dispose();
        Ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        EcId += "'";
    }

    public static string Part(ReadOnlySpan<byte> bytes) => Base64Url.EncodeToString(bytes);

    public Dictionary<string, object?> Header(string alg = "ES256") => new() { ["alg"] = alg, ["typ"] = "at+jwt", ["kid"] = alg == "ES256" ? EcId : "rsa-1" };

    public Dictionary<string, object?> Claims()
    {
        var now = Time.GetUtcNow().ToUnixTimeSeconds();
        return new() { ["iss"] = Url, ["sub"] = "job-1", ["aud"] = Audience, ["iat"] = now, ["nbf"] = now, ["exp"] = now + 300 };
    }

    public string Token(Action<Dictionary<string, object?>>? header = null, Action<Dictionary<string, object?>>? claims = null, string alg = "ES256", Func<byte[], byte[]>? sign = null)
    {
        var (head, body) = (Header(alg), Claims());
        header?.Invoke(head);
        claims?.Invoke(body);
        var signed = $"{Part(Json(head))}.{Part(Json(body))}";
        var bytes = Encoding.ASCII.GetBytes(signed);
        var signature = (sign ?? (alg switch
        {
            "RS256" => text => Rsa.SignData(text, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "PS256" => text => Rsa.SignData(text, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
            _ => text => Ec.SignData(text, HashAlgorithmName.SHA256),
        }))(bytes);
        return $"{signed}.{Part(signature)}";
    }

    public Dictionary<string, object?> EcJwk(string id, ECDsa key)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return new() { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = id, ["use"] = "sig", ["alg"] = "ES256", ["x"] = Part(point.X), ["y"] = Part(point.Y) };
    }

    public static Dictionary<string, object?> RsaJwk(string id, RSA key, string? alg = null)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        var jwk = new Dictionary<string, object?> { ["kty"] = "RSA", ["kid"] = id, ["use"] = "sig", ["n"] = Part(parameters.Modulus), ["e"] = Part(parameters.Exponent) };
        if (alg is not null)
        {
            jwk["alg"] = alg;
        }

        return jwk;
    }

    public void Dispose()
    {
        Keys.Dispose();
        Ec.Dispose();
        Rsa.Dispose();
    }

    private static byte[] Json(object value) => JsonSerializer.SerializeToUtf8Bytes(value);

    private Task<byte[]> FetchAsync(Uri url, CancellationToken cancellationToken)
    {
        Fetches++;
        return IsDown ? throw new HttpRequestException("Nobody answers.")
            : Task.FromResult(url.AbsoluteUri == Url + "/.well-known/openid-configuration"
                ? Json(new { issuer = DiscoveryIssuer, jwks_uri = KeysUrl })
                : Json(new { keys = MoreKeys.Prepend(RsaJwk("rsa-1", Rsa)).Prepend(EcJwk(EcId, Ec)) }));
    }
}

/// <summary>A clock whose timestamps move with its time.</summary>
internal sealed class TestClock : TimeProvider
{
    private DateTimeOffset _now = new(2026, 3, 1, 10, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => _now;

    public override long GetTimestamp() => _now.Ticks;

    public void Advance(TimeSpan by) => _now += by;
}
