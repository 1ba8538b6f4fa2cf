using System.Security.Cryptography;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.BreakGlass;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Sessions;

/// <summary>
/// Asks of a person's call the session that it needs. The session is read for each call, so that one ended on any server is refused by all from then
/// on. Services and AI systems pass: their certificate is all that they prove.
/// </summary>
internal sealed class PersonGate(
    IStore store, RowAuthenticator rows, PeopleConfiguration configuration, BreakGlassRegister breakGlass, AlarmOutlet alarms, TimeProvider time)
{
    /// <summary>Metadata with the session's token: 32 bytes in base64.</summary>
    public const string TokenHeader = "keyservice-session-bin";

    /// <summary>What the record's authentication says behind the first factor.</summary>
    private const string WithCode = "+totp";

    public const string WithFreshCode = "+totp-fresh";

    private readonly SecondFactorTable _factors = new(rows);
    private readonly SessionTable _sessions = new(rows);

    /// <summary>The session of the call; null when it has and needs none. The record learns how the person was known.</summary>
    /// <exception cref="Refusal">SESSION_REQUIRED, STEP_UP_REQUIRED.</exception>
    public ValueTask<PersonSession?> AdmitAsync(
        Principal principal, Peer peer, RpcAttribute rpc, string? token, AuditRecordDraft record, CancellationToken cancellationToken) =>
        principal.Type != PrincipalType.Person || rpc.BeforeSession
            ? default
            : new ValueTask<PersonSession?>(AdmitPersonAsync(principal, peer, rpc, token, record, cancellationToken));

    /// <summary>Watches over a person's stream, which ends with what let it in; null for everything else.</summary>
    public StreamWatch? Watch(Call call, Peer peer)
    {
        if (call.Principal.Type != PrincipalType.Person || call.Rpc.Opened == default)
        {
            return null;
        }

        var standsForSession = call.Session is null && breakGlass.StandsForSession(call.Principal.Name, PersonSession.BindingOf(peer.Credentials));
        return new StreamWatch(call, StandsAsync, time);

        async Task<Refusal?> StandsAsync(CancellationToken cancellationToken)
        {
            if (standsForSession && !breakGlass.StandsForSession(call.Principal.Name, PersonSession.BindingOf(peer.Credentials)))
            {
                return SessionRefusals.Required();
            }

            if (call.Record.Authentication.EndsWith(BreakGlassRegister.InRecord, StringComparison.Ordinal) && !breakGlass.IsOpenFor(call.Principal.Name))
            {
                return Refusal.AccessDenied();
            }

            return call.Session is not { } session
                || await store.ReadAsync(connection => _sessions.FindAsync(connection, null, session.TokenHash, cancellationToken), cancellationToken) is { } now
                    && now.OverAt(time.GetUtcNow()) is null
                ? null
                : SessionRefusals.Required();
        }
    }

    private async Task<PersonSession?> AdmitPersonAsync(
        Principal principal, Peer peer, RpcAttribute rpc, string? token, AuditRecordDraft record, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(token))
        {
            if (breakGlass.StandsForSession(principal.Name, PersonSession.BindingOf(peer.Credentials)))
            {
                record.Authentication = peer.Authentication + BreakGlassRegister.SealedInRecord;
                return rpc.StepUp ? throw SessionRefusals.StepUp() : null;
            }

            if (configuration.SecondFactorRequired || await HasFactorAsync(principal.Name, cancellationToken))
            {
                record.Detail = "without a session";
                throw SessionRefusals.Required();
            }

            return null;
        }

        var session = await FindAsync(token, cancellationToken);
        if (session is null || session.Principal != principal.Name)
        {
            record.Detail = "with a session that is not this person's";
            throw SessionRefusals.Required();
        }

        if (session.Binding != PersonSession.BindingOf(peer.Credentials))
        {
            record.Detail = $"with session {session.Id} of another certificate";
            await alarms.RaiseAsync(
                AlarmKind.SessionReplayed, principal.Name, $"Session {session.Id} of {principal.Name} came over another certificate from {peer.Source}.",
                CancellationToken.None);
            throw SessionRefusals.Required();
        }

        var now = time.GetUtcNow();
        if (session.OverAt(now) is { } end)
        {
            record.Detail = $"with session {session.Id} that is over: {end}";
            await EndAsync(session, end);
            throw SessionRefusals.Required();
        }

        var fresh = session.IsFresh(now);
        record.Authentication = peer.Authentication + (fresh ? WithFreshCode : WithCode);
        if (now >= session.LastUseTime + SessionLimits.NoteEvery)
        {
            await NoteUseAsync(session, now);
        }

        return !rpc.StepUp || fresh ? session : throw SessionRefusals.StepUp();
    }

    private Task<bool> HasFactorAsync(string principal, CancellationToken cancellationToken) => store.ReadAsync(
        async connection => await _factors.FindAsync(connection, null, principal, cancellationToken) is { State: SecondFactorState.Active }, cancellationToken);

    private async Task<PersonSession?> FindAsync(string token, CancellationToken cancellationToken)
    {
        Span<byte> bytes = stackalloc byte[SessionLimits.TokenLength + 1];
        // Clients may leave the padding out.
        var padded = token.Length % 4 == 0 ? token : token.PadRight(token.Length + 4 - (token.Length % 4), '=');
        if (!Convert.TryFromBase64String(padded, bytes, out var length) || length != SessionLimits.TokenLength)
        {
            return null;
        }

        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes[..length]));
        CryptographicOperations.ZeroMemory(bytes);
        return await store.ReadAsync(connection => _sessions.FindAsync(connection, null, hash, cancellationToken), cancellationToken);
    }

    private Task EndAsync(PersonSession found, SessionEnd end) => UnlessHsmIsAwayAsync(store.CommitAsync(
        new AuditRecordDraft(AuditEvent.SessionEnded) { Principal = found.Principal, PrincipalType = PrincipalType.Person, Automated = true, Detail = $"session {found.Id}: {end}" },
        async transaction =>
        {
            if (await _sessions.FindAsync(transaction.Connection, transaction.Transaction, found.TokenHash, CancellationToken.None) is { EndTime: null } session
                && session.OverAt(transaction.Time) is not null)
            {
                await _sessions.WriteAsync(transaction, session.Over(end, transaction.Time, by: null));
            }
        },
        CancellationToken.None));

    private Task NoteUseAsync(PersonSession found, DateTimeOffset now) => UnlessHsmIsAwayAsync(store.CommitAsync(
        new AuditRecordDraft(AuditEvent.SessionUsed) { Principal = found.Principal, PrincipalType = PrincipalType.Person, Automated = true, Detail = $"session {found.Id}" },
        async transaction =>
        {
            // Somebody may have ended or noted it meanwhile.
            if (await _sessions.FindAsync(transaction.Connection, transaction.Transaction, found.TokenHash, CancellationToken.None) is { EndTime: null } session
                && session.LastUseTime + SessionLimits.NoteEvery <= now)
            {
                await _sessions.WriteAsync(transaction, session with { LastUseTime = now, Revision = session.Revision + 1 });
            }
        },
        CancellationToken.None));

    // A use that cannot be written lets the session end the earlier, and one that is over is over without its end on record: whoever looks why the HSM is
    // away is told of the session, not of the HSM.
    private static async Task UnlessHsmIsAwayAsync(Task<CommitReceipt> commit)
    {
        try
        {
            await commit;
        }
        catch (HsmException)
        {
            // Written by the next call that finds the HSM.
        }
    }
}
