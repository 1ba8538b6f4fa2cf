namespace KeyService.Server.Storage;

/// <summary>A step of the schema that a store says it has had.</summary>
/// <param name="Version">Its number.</param>
/// <param name="Name">Its name.</param>
/// <param name="Digest">SHA-256 of its SQL.</param>
/// <param name="OldestServer"><see cref="Migration.OldestServer"/>; null of a step from before that was remembered.</param>
internal sealed record AppliedStep(long Version, string Name, byte[] Digest, long? OldestServer)
{
    /// <summary>
    /// Holds what a store has had against what this server knows. A store may be ahead, in the middle of a rolling upgrade, as long as each step that
    /// this server does not know says that servers like this one work with it.
    /// </summary>
    /// <param name="store">How messages call the store.</param>
    /// <param name="applied">In their order.</param>
    /// <param name="known">The steps of this server.</param>
    /// <returns>How many steps the store has had: more than are known when it is ahead.</returns>
    /// <exception cref="StoreOpenException">It was written for newer servers only, or by steps that are not ours.</exception>
    public static int Accept(string store, IReadOnlyList<AppliedStep> applied, IReadOnlyList<Migration> known)
    {
        foreach (var (index, step) in applied.Index())
        {
            if (step.Version > known.Count)
            {
                // Whoever is ahead by several steps is judged by all of them: a later one may allow what an earlier one does not.
                if ((step.OldestServer ?? step.Version) > known.Count)
                {
                    throw new StoreOpenException(
                        $"{store} was written by a newer KeyService (schema {applied[^1].Version}; this one knows up to {known.Count}). "
                        + "Start that version, or restore a backup made before the upgrade.");
                }

                if (step.Version == index + 1)
                {
                    continue;
                }
            }
            else if (step.Version == index + 1 && known[index].Digest.AsSpan().SequenceEqual(step.Digest))
            {
                continue;
            }

            throw new StoreOpenException(
                $"{store} has a schema step {step.Version} ({step.Name}) that is not the one of this KeyService. "
                + "It was made by a build that was never released, or changed by hand.");
        }

        return applied.Count > 0
            ? applied.Count
            : throw new StoreOpenException($"{store} says it is a KeyService store and holds no schema; restore it from a backup.");
    }

    /// <summary>What the operator of a server should know whose store is ahead of it; null when it is not.</summary>
    public static string? Ahead(int applied, IReadOnlyList<Migration> known) => applied <= known.Count
        ? null
        : $"Warning: the store has schema {applied} of a newer KeyService; this one knows up to {known.Count} and works with it. "
            + "Finish the upgrade: replace this server.";
}
