using System.Buffers.Binary;
using System.Security.Cryptography;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>
/// Changes of principals and grants. One at a time, from before the change begins until the register in memory has taken it over: two
/// changes that share a commit would otherwise each be judged without the other, and separation of duties could be passed by in the middle.
/// </summary>
internal sealed class AccessAdministration(AccessRegister register, RowAuthenticator rows, TimeProvider time) : IDisposable
{
    private readonly AccessRows _table = new(rows);
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>Runs one commit that calls the methods below.</summary>
    public async Task<T> InTurnAsync<T>(Func<Task<T>> commit, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return await commit();
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<Principal> CreatePrincipalAsync(IStoreTransaction transaction, string name, PrincipalType type, Credential credential)
    {
        if (register.Current.Principals.ContainsKey(name))
        {
            throw Refusal.AlreadyExists($"Principal '{name}'");
        }

        // Disabled owners count: a leaver's credential must not come to life again under another name.
        if (register.Current.ByCredential.TryGetValue(credential, out var owner))
        {
            throw Refusal.InvalidArgument("credential", $"it is registered for principal '{owner.Name}' and cannot stand for a second one");
        }

        var principal = new Principal
        {
            Name = name, Type = type, Credential = credential, Disabled = false, CreateTime = transaction.Time, Revision = 1,
        };
        await _table.InsertAsync(transaction, principal);
        transaction.OnCommitted(() => register.Apply(principal));
        return principal;
    }

    /// <summary>Disabling a disabled principal changes nothing and answers it.</summary>
    /// <param name="field">Field of the request that a refusal names.</param>
    public async Task<Principal> DisablePrincipalAsync(IStoreTransaction transaction, string name, string field = "name")
    {
        var before = Known(name);
        if (before.Disabled)
        {
            return before;
        }

        var after = before with { Disabled = true, Revision = before.Revision + 1 };
        DemandAnAdministrator(register.Current.With(after), field);
        await _table.UpdateAsync(transaction, after);
        transaction.OnCommitted(() => register.Apply(after));
        return after;
    }

    /// <summary>
    /// Disables several principals at once, but for those without whom nobody could administer access: each is judged with those before it disabled.
    /// </summary>
    /// <param name="names">Principals that are not disabled, each once.</param>
    /// <returns>The names of those that are disabled now.</returns>
    public async Task<IReadOnlySet<string>> SuspendAsync(IStoreTransaction transaction, IEnumerable<string> names)
    {
        var now = time.GetUtcNow();
        var snapshot = register.Current;
        var disabled = new Dictionary<string, Principal>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            var before = Known(name);
            var after = before with { Disabled = true, Revision = before.Revision + 1 };
            if (AccessRules.LeavesAnAdministrator(snapshot.With(after), now, register.Separation))
            {
                await _table.UpdateAsync(transaction, after);
                disabled.Add(name, after);
                snapshot = snapshot.With(after);
            }
        }

        transaction.OnCommitted(() =>
        {
            foreach (var principal in disabled.Values)
            {
                register.Apply(principal);
            }
        });
        return disabled.Keys.ToHashSet(StringComparer.Ordinal);
    }

    public async Task<Grant> CreateGrantAsync(IStoreTransaction transaction, GrantRequest request)
    {
        var principal = Known(request.Principal);
        if (AccessRules.Violation(register.Current, principal, request, time.GetUtcNow(), register.Separation) is { } rule)
        {
            throw Refusal.InvalidArgument("permissions", rule);
        }

        var grant = request.ToGrant(NewId(), transaction.Time);
        await _table.InsertAsync(transaction, grant);
        transaction.OnCommitted(() => register.Apply(grant));
        return grant;
    }

    /// <summary>Takes every grant of a principal back and gives the new ones, which are held against the rules without the old.</summary>
    public async Task<(IReadOnlyList<Grant> Revoked, IReadOnlyList<Grant> Created)> MoveAsync(
        IStoreTransaction transaction, string name, IReadOnlyList<GrantRequest> requests)
    {
        var principal = Known(name);
        var now = time.GetUtcNow();
        var after = register.Current;
        var revoked = after.GrantsOf(name).Where(grant => !grant.Revoked).Select(grant => grant with { Revoked = true, Revision = grant.Revision + 1 }).ToList();
        after = revoked.Aggregate(after, (snapshot, grant) => snapshot.With(grant));
        var created = new List<Grant>();
        for (var i = 0; i < requests.Count; i++)
        {
            if (AccessRules.Violation(after, principal, requests[i], now, register.Separation) is { } rule)
            {
                throw Refusal.InvalidArgument($"grants[{i}]", rule);
            }

            created.Add(requests[i].ToGrant(NewId(), transaction.Time));
            after = after.With(created[^1]);
        }

        DemandAnAdministrator(after, "principal");
        foreach (var grant in revoked)
        {
            await _table.UpdateAsync(transaction, grant);
        }

        foreach (var grant in created)
        {
            await _table.InsertAsync(transaction, grant);
        }

        transaction.OnCommitted(() => register.Apply([.. revoked, .. created]));
        return (revoked, created);
    }

    /// <summary>Revoking a revoked grant changes nothing and answers it.</summary>
    public async Task<Grant> RevokeGrantAsync(IStoreTransaction transaction, ulong id, string idText)
    {
        if (!register.Current.Grants.TryGetValue(id, out var before))
        {
            throw Refusal.NotFound($"Grant '{idText}'");
        }

        if (before.Revoked)
        {
            return before;
        }

        var after = before with { Revoked = true, Revision = before.Revision + 1 };
        DemandAnAdministrator(register.Current.With(after), "id");
        await _table.UpdateAsync(transaction, after);
        transaction.OnCommitted(() => register.Apply(after));
        return after;
    }

    public void Dispose() => _turn.Dispose();

    private Principal Known(string name) =>
        register.Current.Principals.TryGetValue(name, out var principal) ? principal : throw Refusal.NotFound($"Principal '{name}'");

    private void DemandAnAdministrator(AccessSnapshot after, string field)
    {
        if (!AccessRules.LeavesAnAdministrator(after, time.GetUtcNow(), register.Separation))
        {
            throw Refusal.InvalidArgument(field, "nobody would be left who can administer access; create another administrator first");
        }
    }

    // 64 random bits, never 0; a collision among all grants ever made is refused by the table's primary key.
    internal static ulong NewId()
    {
        Span<byte> bytes = stackalloc byte[8];
        ulong id;
        do
        {
            RandomNumberGenerator.Fill(bytes);
            id = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        }
        while (id == 0);
        return id;
    }
}
