using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>
/// Who may do what, in memory: every principal and grant, verified when loaded, changed in the order of commits, so that a disabled
/// principal or a revoked grant counts from the moment its change is durable. Default deny. Thread safe; readers take no lock.
/// </summary>
internal sealed class AccessRegister(TimeProvider time)
{
    private readonly Lock _gate = new();
    private volatile AccessSnapshot _snapshot = AccessSnapshot.Empty;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Which forbidden pairs hold; set before the first call is answered.</summary>
    public SeparationLevel Separation { get; set; }

    /// <summary>The quota of a grant that is used up, for calls; null counts none. Set before the first call is answered.</summary>
    public Func<Grant, SpentQuota?>? Spent { get; set; }

    /// <summary>Everything at one instant.</summary>
    public AccessSnapshot Current => _snapshot;

    /// <summary>Reads and verifies all principals and grants.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, deleted or put back outside the service.</exception>
    public static async Task<AccessRegister> LoadAsync(IStore store, RowAuthenticator rows, TimeProvider time, CancellationToken cancellationToken)
    {
        var register = new AccessRegister(time);
        await register.ReloadAsync(store, rows, cancellationToken);
        return register;
    }

    public async Task ReloadAsync(IStore store, RowAuthenticator rows, CancellationToken cancellationToken) =>
        Take(await store.ReadAsync(connection => new AccessRows(rows).LoadAsync(connection, cancellationToken), cancellationToken));

    /// <summary>Puts another state of everything in the place of this one.</summary>
    public void Take(AccessSnapshot snapshot)
    {
        lock (_gate)
        {
            _snapshot = snapshot;
        }

        Tell();
    }

    /// <summary>Completes with the next change: for streams that ask again whether they may go on.</summary>
    public Task WaitForChangeAsync() => Volatile.Read(ref _changed).Task;

    /// <summary>
    /// The enabled principal behind what a connection presented (a certificate has several credentials). Null when nobody registered stands
    /// behind it, when it is disabled, or when the credentials are those of two principals: a call maps to exactly one.
    /// </summary>
    public Principal? Find(params ReadOnlySpan<Credential> presented) =>
        FindRegistered(presented) is { Disabled: false } principal ? principal : null;

    /// <summary>As <see cref="Find"/>, but a disabled principal too: for the audit record of the refusal.</summary>
    public Principal? FindRegistered(params ReadOnlySpan<Credential> presented)
    {
        var current = _snapshot;
        Principal? found = null;
        foreach (var credential in presented)
        {
            if (current.ByCredential.TryGetValue(credential, out var principal))
            {
                if (found is not null && found.Name != principal.Name)
                {
                    return null;
                }

                found = principal;
            }
        }

        return found;
    }

    /// <summary>
    /// Whether a grant covers this now, and which. <paramref name="keyName"/> null asks whether any key is covered (calls that name none).
    /// <paramref name="context"/> null is the empty context.
    /// </summary>
    public AccessDecision Decide(Principal principal, Permission permission, string? keyName, EncryptionContext? context) =>
        _snapshot.Decide(principal.Name, permission, keyName, context, time.GetUtcNow(), Separation, Spent);

    /// <summary>As <see cref="Decide"/>, for whoever needs no more than the answer, and whatever is left of quotas: they count calls, and this is none.</summary>
    public bool Allows(Principal principal, Permission permission, string? keyName, EncryptionContext? context) =>
        _snapshot.Decide(principal.Name, permission, keyName, context, time.GetUtcNow(), Separation).IsAllowed;

    /// <summary>For <see cref="IStoreTransaction.OnCommitted"/> and for what other servers changed: takes over a new state of a principal.</summary>
    public void Apply(Principal principal)
    {
        lock (_gate)
        {
            if (_snapshot.Principals.TryGetValue(principal.Name, out var known) && known.Revision >= principal.Revision)
            {
                return;
            }

            _snapshot = _snapshot.With(principal);
        }

        Tell();
    }

    /// <summary>For <see cref="IStoreTransaction.OnCommitted"/> and for what other servers changed: takes over a new state of a grant.</summary>
    public void Apply(Grant grant) => Apply([grant]);

    /// <summary>As <see cref="Apply(Grant)"/>, all at once: no call is decided in between.</summary>
    public void Apply(IReadOnlyList<Grant> grants)
    {
        lock (_gate)
        {
            var before = _snapshot;
            _snapshot = grants.Where(grant => !before.Grants.TryGetValue(grant.Id, out var known) || known.Revision < grant.Revision)
                .Aggregate(before, (snapshot, grant) => snapshot.With(grant));
            if (ReferenceEquals(before, _snapshot))
            {
                return;
            }
        }

        Tell();
    }

    private void Tell() =>
        Interlocked.Exchange(ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
