namespace KeyService.Client;

/// <summary>The two forms of an endpoint.</summary>
internal static class Endpoints
{
    public const string UnixPrefix = "unix:";

    /// <summary>The socket's path when the endpoint names a Unix socket.</summary>
    public static string? UnixPath(string endpoint) =>
        endpoint.StartsWith(UnixPrefix, StringComparison.Ordinal) ? endpoint[UnixPrefix.Length..] : null;

    /// <summary>Makes a relative socket path relative to a directory; other endpoints stay as they are.</summary>
    public static string Resolve(string endpoint, string directory) =>
        UnixPath(endpoint) is { } path ? UnixPrefix + Path.GetFullPath(path, directory) : endpoint;

    /// <summary>The https address, or a refusal: cleartext on TCP is never spoken.</summary>
    public static Uri Https(string endpoint)
    {
        if (Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps && uri.PathAndQuery == "/")
        {
            return uri;
        }
        throw new KeyServiceException(ClientReason.Configuration, $"\"{endpoint}\" is not an endpoint of this client.",
            "Write https://host:port, or unix:/path/to/socket on the server's own machine. Cleartext on TCP is not spoken.");
    }
}
