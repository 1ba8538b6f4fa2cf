using KeyService.Server.Access;

namespace KeyService.Server.Certificates;

/// <summary>A client certificate that connections were made with since this server started. Its ledger alone changes it.</summary>
internal sealed class SeenCertificate(CertificateFacts facts, Credential[] credentials, DateTimeOffset firstSeen)
{
    public CertificateFacts Facts { get; } = facts;

    public Credential[] Credentials { get; } = credentials;

    public DateTimeOffset FirstSeen { get; } = firstSeen;

    /// <summary>When a connection was last made.</summary>
    public DateTimeOffset LastOpened { get; set; } = firstSeen;

    /// <summary>When a connection was last made or ended.</summary>
    public DateTimeOffset LastMoved { get; set; } = firstSeen;

    /// <summary>Open now.</summary>
    public int Connections { get; set; }

    public DateTimeOffset LastSeen(DateTimeOffset now) => Connections > 0 ? now : LastMoved;
}
