using System.Data.Common;

namespace KeyService.Server.Trust;

/// <summary>
/// A table of which something is held in memory, and how that follows when another server changed rows of it. Capabilities add theirs as services of
/// this type. Neither function may commit: they run inside the writer's transactions too.
/// </summary>
/// <param name="Table">The table.</param>
/// <param name="ChangedAsync">Some rows changed, each named once.</param>
/// <param name="EverythingAsync">Anything may have changed.</param>
internal sealed record FollowedTable(
    string Table, Func<DbConnection, IReadOnlyCollection<string>, CancellationToken, Task> ChangedAsync, Func<DbConnection, CancellationToken, Task> EverythingAsync);
