using KeyService.Server.Access;

namespace KeyService.Server.Pipeline;

/// <summary>
/// Who stands at the other end of a connection, as the transport proved it. One a connection, made by the listener
/// (Hosting) and kept in the connection's items.
/// </summary>
/// <param name="Authentication">"mtls" or "unix-uid", as the audit record has it; "" when nothing was proved.</param>
/// <param name="Credentials">What it proved: a principal may be registered by any one of them.</param>
/// <param name="Source">Address and port, or "unix".</param>
/// <param name="NotAfter">End of what it proved (a certificate's validity); a connection does not outlive it.</param>
internal sealed record Peer(string Authentication, Credential[] Credentials, string Source, DateTimeOffset NotAfter);
