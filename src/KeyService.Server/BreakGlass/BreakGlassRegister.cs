using System.Collections.Immutable;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;

namespace KeyService.Server.BreakGlass;

/// <summary>What is open, in memory: a call pays a look into a dictionary that is nearly always empty. Thread safe.</summary>
internal sealed class BreakGlassRegister(BreakGlassConfiguration configuration, TimeProvider time)
{
    /// <summary>Behind a record's authentication when break-glass gave what a grant did not.</summary>
    public const string InRecord = "+break-glass";

    /// <summary>Behind it when the two envelopes stood for the session.</summary>
    public const string SealedInRecord = "+sealed";

    private readonly Lock _gate = new();
    private volatile ImmutableDictionary<ulong, BreakGlassUse> _uses = ImmutableDictionary<ulong, BreakGlassUse>.Empty;

    /// <summary>Open by their state; their time may be over.</summary>
    public IReadOnlyCollection<BreakGlassUse> Open => [.. _uses.Values];

    public void Take(IEnumerable<BreakGlassUse> all)
    {
        lock (_gate)
        {
            _uses = all.Where(use => use.State == BreakGlassState.Open).ToImmutableDictionary(use => use.Id);
        }
    }

    public void Apply(BreakGlassUse use)
    {
        lock (_gate)
        {
            // States only go forward, and none comes back to open.
            _uses = use.State == BreakGlassState.Open ? _uses.SetItem(use.Id, use) : _uses.Remove(use.Id);
        }
    }

    /// <summary>Whether the two envelopes stand for this person's session now, over this first factor.</summary>
    public bool StandsForSession(string principal, string? binding) =>
        !_uses.IsEmpty && Of(principal) is { Sealed: true } use && use.Binding == binding;

    /// <summary>Whether emergency access of this person is open now.</summary>
    public bool IsOpenFor(string principal) => !_uses.IsEmpty && Of(principal) is not null;

    /// <summary>The check of a call: what grants allow, and what the open break-glass of the caller gives beside them; that is on record.</summary>
    public AccessCheck Over(AccessCheck grants, Principal caller, AuditRecordDraft record) => _uses.IsEmpty || Of(caller.Name) is not { } use
        ? grants
        : (principal, permission, keyName, context) =>
        {
            var decision = grants(principal, permission, keyName, context);
            if (decision.IsAllowed || !use.IsOpen(time.GetUtcNow()) || !configuration.Permissions.Contains(permission)
                || keyName is not null && !configuration.Keys.Covers(keyName))
            {
                return decision;
            }

            if (!record.Authentication.EndsWith(InRecord, StringComparison.Ordinal))
            {
                record.Authentication += InRecord;
            }

            return AccessDecision.Allowed;
        };

    private BreakGlassUse? Of(string principal)
    {
        var now = time.GetUtcNow();
        return _uses.Values.FirstOrDefault(use => use.Principal == principal && use.IsOpen(now));
    }
}
