using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Keys;

/// <summary>
/// The changes of keys, each inside the transaction that also holds its audit record. Everything is read again inside it: changes run one
/// after another, over all servers, so two at a time both count.
/// </summary>
internal sealed class KeyChanges(KeyRing ring, KeyMaker maker, RowAuthenticator rows)
{
    private readonly KeyTables _tables = new(rows);
    private readonly KeyTransitionTable _transitions = new(rows);
    private readonly RegisterState _registers = new(rows);
    private readonly KeyMaterialTables _material = new(rows);

    /// <summary>A new key with its first version, active at once or waiting for its backup.</summary>
    /// <exception cref="Refusal">ALREADY_EXISTS.</exception>
    public async Task<(KeyRow Key, KeyVersionRow Primary)> CreateAsync(
        IStoreTransaction transaction, KeyName name, KeyPurpose purpose, RotationPolicy rotation, NewKeyVersion version, KeyState state, string by)
    {
        if (await _tables.FindKeyAsync(transaction.Connection, transaction.Transaction, name.Value, CancellationToken.None) is not null)
        {
            throw Refusal.AlreadyExists($"A key named {name}");
        }

        var key = new KeyRow(
            name.Value, purpose, rotation, transaction.Time, version.Id, VersionCount: 1, VersionChangeCount: 1,
            WaitingVersions: state == KeyState.PreActivation ? 1 : 0,
            RotateTime: state == KeyState.Active ? rotation.RotateAt(transaction.Time) : transaction.Time, Revision: 1);
        await _tables.InsertKeyAsync(transaction, key);
        await _registers.AddedAsync(transaction, KeyRing.Register);
        var primary = await maker.StoreAsync(transaction, name.Value, version, state, new StateChange(transaction.Time, by, "the key was created"));
        var forgotten = ring.Forgotten;
        transaction.OnCommitted(() => ring.Apply(forgotten, key, primary));
        return (key, primary);
    }

    /// <summary>Adds versions that wait for their activation.</summary>
    public async Task<KeyRow> PrepareAsync(IStoreTransaction transaction, string name, IReadOnlyList<NewKeyVersion> versions)
    {
        var before = await RequireKeyAsync(transaction, name);
        var change = new StateChange(transaction.Time, StateChange.Service, "made ahead");
        foreach (var version in versions)
        {
            await maker.StoreAsync(transaction, name, version, KeyState.PreActivation, change);
        }

        return await UpdateKeyAsync(transaction, before with
        {
            VersionCount = before.VersionCount + versions.Count,
            VersionChangeCount = before.VersionChangeCount + versions.Count,
            WaitingVersions = before.WaitingVersions + versions.Count,
        });
    }

    /// <summary>Makes <paramref name="version"/> the active one; the one before is deactivated: it decrypts and unwraps, and protects nothing
    /// more.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED when there is no such key.</exception>
    public async Task<(KeyRow Key, KeyVersionRow Primary)> RotateAsync(
        IStoreTransaction transaction, string name, NewKeyVersion version, StateChange change)
    {
        var before = await RequireKeyAsync(transaction, name);
        var replaced = await DeactivateAsync(transaction, before, change);
        var primary = await maker.StoreAsync(transaction, name, version, KeyState.Active, change);
        var key = await UpdateKeyAsync(transaction, before with
        {
            PrimaryVersion = version.Id,
            VersionCount = before.VersionCount + 1,
            VersionChangeCount = before.VersionChangeCount + (replaced is null ? 1 : 2),
            RotateTime = before.Rotation.RotateAt(transaction.Time),
        }, replaced, primary);
        return (key, primary);
    }

    /// <summary>As <see cref="RotateAsync"/>, with a version that waits; what became of it meanwhile is looked at.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED when there is no such key; KEY_STATE when the version does not wait any more.</exception>
    public async Task<(KeyRow Key, KeyVersionRow Primary)> ActivateAsync(
        IStoreTransaction transaction, string name, KeyVersionId versionId, StateChange change)
    {
        var before = await RequireKeyAsync(transaction, name);
        var waiting = await RequireVersionAsync(transaction, name, versionId);
        var replaced = before.PrimaryVersion == versionId ? null : await DeactivateAsync(transaction, before, change);
        var primary = await MoveAsync(transaction, waiting, KeyState.Active, change, row => row with { ActivateTime = transaction.Time });
        var key = await UpdateKeyAsync(transaction, before with
        {
            PrimaryVersion = versionId,
            VersionChangeCount = before.VersionChangeCount + (replaced is null ? 1 : 2),
            WaitingVersions = before.WaitingVersions - 1,
            RotateTime = before.Rotation.RotateAt(transaction.Time),
        }, replaced, primary);
        return (key, primary);
    }

    /// <summary>Suspends, resumes, deactivates a version or declares it compromised.</summary>
    /// <param name="versionId">Null is the key's primary version.</param>
    /// <exception cref="Refusal">ACCESS_DENIED when there is no such key; NOT_FOUND for a version it does not have; KEY_STATE.</exception>
    public async Task<(KeyRow Key, KeyVersionRow Version)> ChangeStateAsync(
        IStoreTransaction transaction, string name, KeyVersionId? versionId, KeyState to, StateChange change, bool stopProcessing,
        DateTimeOffset? suspectedSince)
    {
        var before = await RequireKeyAsync(transaction, name);
        var id = versionId ?? before.PrimaryVersion;
        var row = await RequireVersionAsync(transaction, name, id);
        var isPrimary = id == before.PrimaryVersion;
        if (to == KeyState.Active && (row.State != KeyState.Suspended || !isPrimary))
        {
            throw new Refusal(Reason.KeyState, row.State == KeyState.Suspended
                ? "Only the key's newest version can be resumed; this one was replaced. Deactivate it, then it decrypts again."
                : $"Only a suspended version is resumed; this one is {KeyStates.NameOf(row.State)}. To activate a waiting one, rotate the key.");
        }

        if (suspectedSince > transaction.Time)
        {
            throw Refusal.InvalidArgument("suspected_since", "must not lie in the future");
        }

        var moved = await MoveAsync(transaction, row, to, change, after => after with
        {
            DeactivateTime = to == KeyState.Deactivated ? transaction.Time : after.DeactivateTime,
            ProcessingStopped = to == KeyState.Suspended && stopProcessing,
            SuspectedSince = to == KeyState.Compromised ? suspectedSince ?? after.CreateTime : after.SuspectedSince,
            CompromiseProcessedTime = to == KeyState.Compromised ? transaction.Time : after.CompromiseProcessedTime,
        });
        var key = await UpdateKeyAsync(transaction, before with
        {
            VersionChangeCount = before.VersionChangeCount + 1,
            WaitingVersions = before.WaitingVersions - (row.State == KeyState.PreActivation ? 1 : 0),
            RotateTime = isPrimary ? RotateTimeAfter(transaction, before, moved) : before.RotateTime,
        }, moved);
        return (key, moved);
    }

    /// <summary>Overwrites the wrapped keys of versions; they decrypt nothing any more. Their rows, with what they were, stay.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED when there is no such key; NOT_FOUND; KEY_STATE for a version that was not deactivated before.</exception>
    public async Task DestroyAsync(IStoreTransaction transaction, string name, IReadOnlyList<KeyVersionId> versionIds, StateChange change)
    {
        var before = await RequireKeyAsync(transaction, name);
        var moved = new List<KeyVersionRow>();
        foreach (var id in versionIds)
        {
            moved.Add(await MoveAsync(transaction, await RequireVersionAsync(transaction, name, id), KeyState.Destroyed, change, row => row));
            await _material.ClearAsync(transaction, id);
        }

        var primary = moved.Find(each => each.Id == before.PrimaryVersion);
        await UpdateKeyAsync(transaction, before with
        {
            VersionChangeCount = before.VersionChangeCount + moved.Count,
            // No calendar makes a key protect again whose newest version was destroyed on purpose.
            RotateTime = primary is null ? before.RotateTime : null,
        }, [.. moved]);
    }

    /// <summary>Changes the policy; it counts for the active version at once.</summary>
    public async Task<(KeyRow Key, KeyVersionRow Primary)> SetPolicyAsync(IStoreTransaction transaction, string name, Func<RotationPolicy, RotationPolicy> policy)
    {
        var before = await RequireKeyAsync(transaction, name);
        var primary = await RequireVersionAsync(transaction, name, before.PrimaryVersion);
        var rotation = policy(before.Rotation);
        var key = await UpdateKeyAsync(transaction, before with
        {
            Rotation = rotation,
            RotateTime = primary is { State: KeyState.Active, ActivateTime: { } activated } ? rotation.RotateAt(activated) : before.RotateTime,
        });
        return (key, primary);
    }

    /// <summary>Asks for a rotation as soon as it can be done; nothing when it is asked for already or there is nothing to rotate.</summary>
    public async Task RequestRotationAsync(IStoreTransaction transaction, string name)
    {
        var before = await RequireKeyAsync(transaction, name);
        if (before.RotateTime is { } planned && planned > transaction.Time)
        {
            await UpdateKeyAsync(transaction, before with { RotateTime = transaction.Time });
        }
    }

    /// <summary>Writes a key of before the lifecycle anew, with the times by which it is found when it is to be rotated.</summary>
    public async Task AdoptAsync(IStoreTransaction transaction, string name)
    {
        var before = await RequireKeyAsync(transaction, name);
        var primary = await RequireVersionAsync(transaction, name, before.PrimaryVersion);
        await UpdateKeyAsync(transaction, before with { RotateTime = RotateTimeAfter(transaction, before, primary) });
    }

    private static DateTimeOffset? RotateTimeAfter(IStoreTransaction transaction, KeyRow key, KeyVersionRow primary) => primary.State switch
    {
        KeyState.Active => key.Rotation.RotateAt(primary.ActivateTime ?? primary.CreateTime),
        // A suspended key stays so until a person resumes it: no calendar makes it protect again.
        KeyState.Suspended => null,
        _ => transaction.Time,
    };

    // A version that is suspended or compromised stays so; only an active one is deactivated.
    private async Task<KeyVersionRow?> DeactivateAsync(IStoreTransaction transaction, KeyRow key, StateChange change)
    {
        var active = await RequireVersionAsync(transaction, key.Name, key.PrimaryVersion);
        return active.State == KeyState.Active
            ? await MoveAsync(transaction, active, KeyState.Deactivated, change, row => row with { DeactivateTime = transaction.Time })
            : null;
    }

    private async Task<KeyVersionRow> MoveAsync(
        IStoreTransaction transaction, KeyVersionRow row, KeyState to, StateChange change, Func<KeyVersionRow, KeyVersionRow> times)
    {
        if (!KeyStates.MayFollow(row.State, to))
        {
            var next = KeyStates.Of(row.State).Next;
            throw new Refusal(Reason.KeyState,
                $"Version {row.Id} is {KeyStates.NameOf(row.State)} and cannot become {KeyStates.NameOf(to)}; "
                + (next.Count == 0 ? "nothing follows." : $"possible: {string.Join(", ", next.Select(KeyStates.NameOf))}."));
        }

        var moved = times(row) with
        {
            State = to, LastChange = change, TransitionCount = row.TransitionCount + 1, Revision = row.Revision + 1,
        };
        await _tables.UpdateVersionAsync(transaction, moved);
        await _transitions.InsertAsync(transaction, row.Id, new KeyTransition(moved.TransitionCount, row.State, to, change));
        return moved;
    }

    private async Task<KeyRow> UpdateKeyAsync(IStoreTransaction transaction, KeyRow key, params KeyVersionRow?[] versions)
    {
        var updated = key with { Revision = key.Revision + 1 };
        await _tables.UpdateKeyAsync(transaction, updated);
        await _registers.ChangedAsync(transaction, KeyRing.Register);
        var forgotten = ring.Forgotten;
        transaction.OnCommitted(() => ring.Apply(forgotten, updated, versions));
        return updated;
    }

    private async Task<KeyRow> RequireKeyAsync(IStoreTransaction transaction, string name) =>
        await _tables.FindKeyAsync(transaction.Connection, transaction.Transaction, name, CancellationToken.None) ?? throw Refusal.AccessDenied();

    private async Task<KeyVersionRow> RequireVersionAsync(IStoreTransaction transaction, string name, KeyVersionId id)
    {
        var version = await _tables.FindVersionAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None);
        return version is not null && version.KeyName == name ? version : throw Refusal.NotFound($"Version {id} of the key {name}");
    }
}
