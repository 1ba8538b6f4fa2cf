using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Alarms;
using Microsoft.AspNetCore.Connections;

namespace KeyService.Server.Hosting;

/// <summary>
/// Asks the revocation lists again about every open connection: each second when the files changed, and when a list expires. A connection whose
/// certificate is revoked now is closed, its calls with it. Says by an alarm which list is expired or cannot be read. Inert without tls.crl.
/// </summary>
internal sealed partial class RevocationWatch(
    TlsFiles files, HandshakeRefusals refusals, AlarmOutlet alarms, TimeProvider time, ILogger<RevocationWatch> logger) : BackgroundService
{
    private const string FilesSubject = "files of tls.crl";
    private static readonly object LinksKey = new();
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<ConnectionContext, Judged> _open = [];
    private HashSet<string> _found = [];
    private bool _looked;

    /// <summary>In the handshake: null lets the certificate pass, otherwise why not.</summary>
    public string? Refuse(X509Chain? chain, ConnectionContext connection)
    {
        if (files.Current.Revocations is not { } lists)
        {
            return null;
        }

        if (chain is null)
        {
            return "it came without a chain";
        }

        var links = ChainLink.Of(chain);
        var now = time.GetUtcNow();
        connection.Items[LinksKey] = new Judged(links, lists, now);
        var (verdict, why) = lists.Judge(links, now);
        return verdict == RevocationVerdict.Good ? null : why;
    }

    /// <summary>After the handshake; <see cref="Closed"/> must follow.</summary>
    public void Opened(ConnectionContext connection)
    {
        if (connection.Items.TryGetValue(LinksKey, out var judged))
        {
            lock (_gate)
            {
                _open[connection] = (Judged)judged!;
            }
        }
    }

    public void Closed(ConnectionContext connection)
    {
        lock (_gate)
        {
            _open.Remove(connection);
        }
    }

    /// <summary>One look at the files and all open connections.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        if (files.Current.Revocations is not { } lists)
        {
            return;
        }

        var now = time.GetUtcNow();
        List<KeyValuePair<ConnectionContext, Judged>> open;
        lock (_gate)
        {
            open = [.. _open.Where(pair => pair.Value.By != lists || lists.HasExpiredSince(pair.Value.At, now))];
        }

        foreach (var (connection, judged) in open)
        {
            var (verdict, why) = lists.Judge(judged.Links, now);
            lock (_gate)
            {
                if (_open.ContainsKey(connection))
                {
                    _open[connection] = judged with { By = lists, At = now };
                }
            }

            if (verdict != RevocationVerdict.Good)
            {
                Closed(connection);
                refusals.Add(judged.Links[0].Certificate.Subject, connection.RemoteEndPoint?.ToString() ?? "tcp", $"open connection closed: {why}");
                connection.Abort(new ConnectionAbortedException("The certificate is not accepted any more."));
            }
        }

        await SayAsync(lists, now, cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    await LookAsync(stoppingToken);
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    // A look that fails must not stop the server.
                    LookFailed(logger, exception);
                }

                await Task.Delay(Every, time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task SayAsync(RevocationLists lists, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (var issuer in lists.All.GroupBy(list => list.IssuerText, StringComparer.Ordinal))
        {
            var newest = issuer.MaxBy(list => list.ThisUpdate)!;
            if (now >= newest.NextUpdate)
            {
                found.Add(issuer.Key);
                await alarms.RaiseAsync(
                    AlarmKind.RevocationListUnusable, issuer.Key, $"The revocation list of {issuer.Key} ended {newest.NextUpdate:u}, and no newer one is there.", cancellationToken);
            }
        }

        if (files.Rejected is { } rejected)
        {
            found.Add(FilesSubject);
            await alarms.RaiseAsync(AlarmKind.RevocationListUnusable, FilesSubject, rejected, cancellationToken);
        }

        // At the first look also what was found before the start.
        var before = _looked ? _found : [.. await alarms.StandingAsync(AlarmKind.RevocationListUnusable, cancellationToken) ?? []];
        (_found, _looked) = (found, true);
        foreach (var over in before.Except(found))
        {
            await alarms.ClearAsync(AlarmKind.RevocationListUnusable, over, cancellationToken);
        }
    }

    private sealed record Judged(IReadOnlyList<ChainLink> Links, RevocationLists By, DateTimeOffset At);

    [LoggerMessage(4106, LogLevel.Error, "The revocation lists could not be looked at")]
    private static partial void LookFailed(ILogger logger, Exception exception);
}
