using KeyService.Crypto;

namespace KeyService.Server.Holdings;

/// <summary>Why a version is needed. Frozen numbers, the same as in <c>destruction.proto</c>.</summary>
internal enum DependencyKind : byte
{
    /// <summary>It may protect now, or wraps new data.</summary>
    Active = 1,

    /// <summary>A holding reported items under it.</summary>
    HoldingItems = 2,

    /// <summary>A holding that may hold the key was not scanned whole since the version was last active: unknown counts as needed.</summary>
    HoldingNotScanned = 3,

    /// <summary>A write-once holding holds something under it until its retention ends.</summary>
    HoldingPinned = 4,

    /// <summary>No holding at all is registered for the key: nothing is known of where its data lives.</summary>
    NothingRegistered = 5,

    /// <summary>Something was done with it while its destruction waited.</summary>
    Used = 6,

    /// <summary>A retained backup needs it.</summary>
    Backup = 7,
}

/// <summary>Something that still needs a key version.</summary>
/// <param name="Subject">Name of the holding, backup or key.</param>
/// <param name="Detail">What and how much, as part of a sentence.</param>
/// <param name="Items">Items, where they are counted.</param>
/// <param name="Until">When it ends by itself; null when it does not.</param>
internal sealed record Dependency(DependencyKind Kind, string Subject, string Detail, long Items = 0, DateTimeOffset? Until = null);

/// <summary>
/// What a capability beside this one knows to need a version: registered as a service of this type, asked by <see cref="Dependencies"/>.
/// </summary>
internal delegate Task<IReadOnlyList<Dependency>> DependencySource(KeyVersionId version, CancellationToken cancellationToken);
