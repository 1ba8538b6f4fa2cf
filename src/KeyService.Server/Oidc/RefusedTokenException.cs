namespace KeyService.Server.Oidc;

/// <summary>An access token that is not accepted; why, as part of a sentence, for the audit record and not for the caller.</summary>
internal sealed class RefusedTokenException(string why, Exception? cause = null) : Exception(why, cause);
