namespace KeyService.Server.Oidc;

/// <summary>The issuer's keys cannot be fetched, and those from before are too old or there are none.</summary>
internal sealed class IssuerUnavailableException(string issuer, DateTimeOffset? since)
    : Exception(since is { } time
        ? $"The issuer {issuer} has not answered with its keys since {time:u}, so access tokens are refused until it does. Certificates go on."
        : $"The issuer {issuer} has not answered with its keys since this server started, so access tokens are refused until it does. Certificates go on.");
