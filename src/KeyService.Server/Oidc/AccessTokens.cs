using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Credential = KeyService.Server.Access.Credential;

namespace KeyService.Server.Oidc;

/// <summary>
/// Access tokens (JWT, RFC 9068) that name the caller beside its certificate: "authorization: Bearer …". The one issuer, the one audience, three
/// algorithms, each with keys of its own; times with little slack. A call with a token that is not accepted is refused, whatever its certificate is.
/// </summary>
internal sealed class AccessTokens(OidcConfiguration configuration, IssuerKeys keys, TimeProvider time)
{
    /// <summary>Characters of a token at most.</summary>
    public const int MaxLength = 16 * 1024;

    private const string Scheme = "Bearer ";
    private static readonly string[] Algorithms = [IssuerKeySet.Es256, IssuerKeySet.Rs256, IssuerKeySet.Ps256];
    private readonly JsonWebTokenHandler _handler = new() { MaximumTokenSizeInBytes = MaxLength, MapInboundClaims = false };

    /// <summary>The peer with what the call's token proves too; the peer itself when the call has none.</summary>
    /// <exception cref="Refusal">UNKNOWN_PRINCIPAL: the token is not accepted, or the issuer's keys are not known. The record says why.</exception>
    public async ValueTask<Peer> AddAsync(Peer peer, string? header, AuditRecordDraft record, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(header) || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return peer;
        }

        record.Source = peer.Source;
        record.Authentication = $"{peer.Authentication}+oidc";
        try
        {
            var (credential, end) = await ValidateAsync(header[Scheme.Length..], cancellationToken);
            return peer with
            {
                Authentication = record.Authentication, Credentials = [credential, .. peer.Credentials], NotAfter = end < peer.NotAfter ? end
                    : peer.NotAfter,
            };
        }
        catch (IssuerUnavailableException e)
        {
            record.Event = AuditEvent.AuthenticationRefused;
            record.Detail = "access token: the issuer's keys are not known";
            throw new Refusal(Reason.UnknownPrincipal, e.Message, e);
        }
        catch (RefusedTokenException e)
        {
            record.Event = AuditEvent.AuthenticationRefused;
            record.Detail = $"access token: {e.Message}";
            // Why stands in the record: the caller would learn from it what to forge next.
            throw new Refusal(
                Reason.UnknownPrincipal,
                "The access token is not accepted: it must be a signed one of the configured issuer, for this service, and not expired. "
                + "Get a new one and call again.", e);
        }
    }

    /// <summary>Whom the token names, and until when.</summary>
    /// <exception cref="RefusedTokenException">It is not accepted.</exception>
    /// <exception cref="IssuerUnavailableException">It cannot be judged.</exception>
    internal async ValueTask<(Credential Credential, DateTimeOffset End)> ValidateAsync(string text, CancellationToken cancellationToken)
    {
        var token = Read(text);
        if (!Algorithms.Contains(token.Alg))
        {
            throw new RefusedTokenException("signed by an algorithm that is not taken");
        }

        if (!TypeIsTaken(token.Typ))
        {
            throw new RefusedTokenException("not of the type of an access token");
        }

        // Before a key is asked for: a token of somebody else makes nobody fetch anything.
        if (token.Issuer != configuration.Issuer)
        {
            throw new RefusedTokenException("of another issuer");
        }

        var key = string.IsNullOrEmpty(token.Kid) ? null : await keys.FindAsync(token.Kid, token.Alg, cancellationToken);
        if (key is null)
        {
            throw new RefusedTokenException("signed by a key that the issuer does not have");
        }

        var result = await _handler.ValidateTokenAsync(text, ParametersFor(key));
        if (!result.IsValid)
        {
            throw new RefusedTokenException(WhyOf(result.Exception), result.Exception);
        }

        return Credential.TryOfOidc(configuration.Issuer, token.Subject ?? "", out var credential)
            ? (credential, new DateTimeOffset(token.ValidTo, TimeSpan.Zero) + configuration.ClockSkew)
            : throw new RefusedTokenException("names no subject that can be registered");
    }

    private JsonWebToken Read(string text)
    {
        try
        {
            return text.Length is > 0 and <= MaxLength && text.Count(c => c == '.') == 2
                ? _handler.ReadJsonWebToken(text)
                : throw new RefusedTokenException("not a signed token");
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException or FormatException or System.Text.Json.JsonException)
        {
            throw new RefusedTokenException("not well formed", e);
        }
    }

    private bool TypeIsTaken(string? type) => type is not null
        && (type.Equals("at+jwt", StringComparison.OrdinalIgnoreCase) || type.Equals("application/at+jwt", StringComparison.OrdinalIgnoreCase)
            || configuration.AnyType && type.Equals("JWT", StringComparison.OrdinalIgnoreCase));

    private TokenValidationParameters ParametersFor(IssuerKey key) => new()
    {
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        IssuerSigningKey = key.Key,
        TryAllIssuerSigningKeys = false,
        ValidAlgorithms = [key.Algorithm],
        ValidIssuer = configuration.Issuer,
        ValidAudience = configuration.Audience,
        // "…/" is another audience than "…".
        IgnoreTrailingSlashWhenValidatingAudience = false,
        LifetimeValidator = (from, end, _, _) => time.GetUtcNow().UtcDateTime is var now
            && end is { } last && now < last + configuration.ClockSkew && (from is not { } first || now >= first - configuration.ClockSkew),
    };

    private static string WhyOf(Exception exception) => exception switch
    {
        SecurityTokenInvalidAudienceException => "for another audience",
        SecurityTokenInvalidIssuerException => "of another issuer",
        SecurityTokenInvalidLifetimeException or SecurityTokenExpiredException or SecurityTokenNotYetValidException or SecurityTokenNoExpirationException => "expired, or not valid yet",
        SecurityTokenInvalidSignatureException or SecurityTokenSignatureKeyNotFoundException => "not signed by the key that it names",
        _ => "not well formed",
    };
}
