namespace KeyService.Client;

/// <summary>Tells a service that is away from one that refuses.</summary>
internal static class LeaseFaults
{
    /// <summary>
    /// No answer, or one that says "later". A TLS failure and a refused principal are none of these: there the service, or somebody in its
    /// place, said no.
    /// </summary>
    public static bool IsAway(KeyServiceException fault) => fault.Reason is
        ClientReason.Unreachable or ClientReason.DeadlineExceeded or "HSM_UNAVAILABLE" or "STORE_UNAVAILABLE" or "AUDIT_UNAVAILABLE"
        or "OVERLOADED" or "SHUTTING_DOWN" or "STREAM_IDLE";

    /// <summary>The same fault, with why it matters here. A new object each time: one exception thrown to many threads would mix their traces.</summary>
    public static KeyServiceException Ended(KeyServiceException fault, LeasePolicy policy) => new(
        fault.Reason,
        $"The lease of the data key ended: the service confirmed it last more than {policy.MaxAge.TotalSeconds:0.#} s ago"
        + (policy.Grace > TimeSpan.Zero ? $", and the grace of {policy.Grace.TotalSeconds:0.#} s is over. " : ", and the policy gives no grace. ")
        + fault.Message,
        fault.Advice, fault) { RetryAfter = fault.RetryAfter, TraceId = fault.TraceId };

    public static KeyServiceException Again(KeyServiceException fault) =>
        new(fault.Reason, fault.Message, fault.Advice, fault) { RetryAfter = fault.RetryAfter, TraceId = fault.TraceId };
}
