namespace KeyService.Client;

/// <summary>A call that did not succeed: why (stable), what happened, and what to do about it. Carries no secret.</summary>
public sealed class KeyServiceException : Exception
{
    /// <summary>Makes the error.</summary>
    public KeyServiceException(string reason, string message, string advice, Exception? cause = null)
        : base(message, cause)
    {
        Reason = reason;
        Advice = advice;
    }

    /// <summary>A name of <c>keyservice.v1.Reason</c> without <c>REASON_</c>, or one of <see cref="ClientReason"/>.</summary>
    public string Reason { get; }

    /// <summary>One sentence that says what to do; never empty.</summary>
    public string Advice { get; }

    /// <summary>The service's trace id for this call, when it named one.</summary>
    public string? TraceId { get; init; }

    /// <summary>How long the service asks to wait before the next try, when it does.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>Reasons that arise on this side of the connection, beside those of the service.</summary>
public static class ClientReason
{
    /// <summary>Nothing answers at the endpoint, or the connection broke.</summary>
    public const string Unreachable = "UNREACHABLE";

    /// <summary>The TLS handshake failed: this side does not believe the server, or the server does not believe this side.</summary>
    public const string TlsFailed = "TLS_FAILED";

    /// <summary>The call's own time ran out.</summary>
    public const string DeadlineExceeded = "DEADLINE_EXCEEDED";

    /// <summary>Profile, certificate or key file cannot be read or used.</summary>
    public const string Configuration = "CONFIGURATION";

    /// <summary>The table of wrapped data keys lacks the row that a field, or a blind index, needs.</summary>
    public const string WrappedKeyMissing = "WRAPPED_KEY_MISSING";

    /// <summary>The answer was not one that this client understands.</summary>
    public const string Protocol = "PROTOCOL";
}
