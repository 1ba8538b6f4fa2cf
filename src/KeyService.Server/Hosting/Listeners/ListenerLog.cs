namespace KeyService.Server.Hosting;

/// <summary>Log events of the listeners, 4100 to 4149.</summary>
internal sealed partial class ListenerLog(ILogger<ListenerLog> logger)
{
    [LoggerMessage(4100, LogLevel.Information, "New certificates are in use; the server's ends {NotAfter:u}")]
    private static partial void CertificatesReloaded(ILogger logger, DateTime notAfter);

    [LoggerMessage(4101, LogLevel.Error, "The changed certificate files cannot be used; the ones before stay in use")]
    private static partial void CertificatesRejected(ILogger logger, Exception exception);

    [LoggerMessage(4102, LogLevel.Warning, "Refused the client certificate {Subject} of {Source}: {Why}")]
    private static partial void ClientCertificateRefused(ILogger logger, string subject, string source, string why);

    [LoggerMessage(4103, LogLevel.Error, "A refused client certificate could not be recorded")]
    private static partial void RefusalNotRecorded(ILogger logger, Exception exception);

    [LoggerMessage(4104, LogLevel.Warning,
        "Refused {Count} connections since the last such line: {Limit} are open (limits.connections)")]
    private static partial void ConnectionsRefused(ILogger logger, long count, int limit);

    [LoggerMessage(4105, LogLevel.Warning,
        "Closed {Count} connections since the last such line that had not proven who they are: {Limit} newer ones wait (limits.handshakes)")]
    private static partial void HandshakesClosed(ILogger logger, long count, int limit);

    public void ConnectionsRefused(long count, int limit) => ConnectionsRefused(logger, count, limit);

    public void HandshakesClosed(long count, int limit) => HandshakesClosed(logger, count, limit);

    public void RefusalNotRecorded(Exception exception) => RefusalNotRecorded(logger, exception);

    public void CertificatesReloaded(DateTime notAfter) => CertificatesReloaded(logger, notAfter);

    public void CertificatesRejected(Exception exception) => CertificatesRejected(logger, exception);

    public void ClientCertificateRefused(string subject, string source, string why) =>
        ClientCertificateRefused(logger, subject, source, why);
}
