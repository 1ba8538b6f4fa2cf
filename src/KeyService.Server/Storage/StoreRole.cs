namespace KeyService.Server.Storage;

/// <summary>A role that this server has alone among those of its installation, until it gives it back or loses it.</summary>
/// <param name="release">Gives it back.</param>
/// <param name="lost">Cancelled when the role is lost (the database session that held it ended): whatever is done in it must stop.</param>
internal sealed class StoreRole(Func<ValueTask> release, CancellationToken lost) : IAsyncDisposable
{
    public CancellationToken Lost { get; } = lost;

    public ValueTask DisposeAsync() => release();
}
