namespace KeyService.Server.Oidc;

/// <summary>Log lines of the capability.</summary>
internal sealed partial class OidcLog(ILogger<OidcLog> logger)
{
    [LoggerMessage(6500, LogLevel.Warning, "The keys of the issuer {Issuer} could not be fetched: {Why} Those from before go on for a bounded time.")]
    public partial void KeysNotFetched(string issuer, string why);
}
