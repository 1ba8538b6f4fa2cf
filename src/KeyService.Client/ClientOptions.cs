namespace KeyService.Client;

/// <summary>Where the service is and who is calling.</summary>
public sealed record ClientOptions
{
    /// <summary><c>https://host:port</c> (mutual TLS) or <c>unix:/path/to/socket</c> (the peer's user id).</summary>
    public required string Endpoint { get; init; }

    /// <summary>PEM file with the client's certificate, its intermediates after it. Required for https.</summary>
    public string? ClientCertificatePath { get; init; }

    /// <summary>PEM file with the unencrypted private key of the certificate. Required for https.</summary>
    public string? ClientKeyPath { get; init; }

    /// <summary>PEM file with the certificates that may sign the server's: these and no others are believed. Required for https.</summary>
    public string? CaPath { get; init; }

    /// <summary>
    /// Token of a person's open session, 32 bytes (<see cref="SessionCalls"/>); null for services, and to open one. Copied when the client connects.
    /// </summary>
    public ReadOnlyMemory<byte>? SessionToken { get; init; }

    /// <summary>File with an OIDC access token as one line, which names the caller beside the certificate of the connection; read for each call. Null sends none.</summary>
    public string? AccessTokenPath { get; init; }

    /// <summary>Longest time for one call with all its retries; streams have none. 30 seconds.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a call is tried when the service is unavailable: 1 to 10; 3. A mutation keeps its request id, so that it happens once.</summary>
    public int Attempts { get; init; } = 3;

    /// <summary>Clock for deadlines and pauses.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
