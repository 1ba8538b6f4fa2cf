namespace KeyService.Server.Hosting;

/// <summary>
/// The current <see cref="TlsMaterial"/>, read again when a file changed; a handshake asks for it. Files that cannot be used
/// leave the one before in place, so that a half-done renewal stops nobody; health and doctor say so.
/// </summary>
internal sealed class TlsFiles
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private readonly TlsConfiguration _tls;
    private readonly ServerProfile _profile;
    private readonly TimeProvider _time;
    private readonly ListenerLog _log;
    private readonly Lock _reload = new();
    private volatile TlsMaterial _material;
    private string _stamp;
    private long _lookedAt;

    /// <exception cref="TlsMaterialException">The files cannot be used at start.</exception>
    public TlsFiles(TlsConfiguration tls, ServerProfile profile, TimeProvider time, ListenerLog log)
    {
        _tls = tls;
        _profile = profile;
        _time = time;
        _log = log;
        _stamp = Stamp();
        _material = TlsMaterial.Load(tls, profile, time.GetUtcNow());
        _lookedAt = time.GetTimestamp();
    }

    /// <summary>Why the newest files are not the ones in use; null when they are.</summary>
    public string? Rejected { get; private set; }

    public TlsMaterial Current
    {
        get
        {
            if (_time.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= LookEvery)
                Look();
            return _material;
        }
    }

    private void Look()
    {
        // One handshake looks, the others go on with what there is.
        if (!_reload.TryEnter())
            return;
        try
        {
            Volatile.Write(ref _lookedAt, _time.GetTimestamp());
            var stamp = Stamp();
            if (stamp == _stamp)
                return;
            _material = TlsMaterial.Load(_tls, _profile, _time.GetUtcNow());
            _stamp = stamp;
            Rejected = null;
            _log.CertificatesReloaded(_material.Certificate.NotAfter.ToUniversalTime());
        }
        catch (TlsMaterialException exception)
        {
            if (Rejected != exception.Message)
                _log.CertificatesRejected(exception);
            Rejected = exception.Message;
        }
        finally
        {
            _reload.Exit();
        }
    }

    // Kubernetes and certbot replace files by renaming links: time of the target and length tell both. In the middle of a renewal
    // a file may be missing for a moment, which is a change like any other.
    private string Stamp() => string.Join('|', ((string[])[_tls.CertificatePath, _tls.PrivateKeyPath, _tls.ClientCaPath, .. _tls.CrlPaths]).Select(path =>
    {
        try
        {
            var file = new FileInfo(path);
            if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
                file = target;
            return $"{file.FullName}:{file.LastWriteTimeUtc.Ticks}:{file.Length}";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "-";
        }
    }));
}
