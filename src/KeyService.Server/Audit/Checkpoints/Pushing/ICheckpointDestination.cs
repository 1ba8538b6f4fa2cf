using KeyService.Crypto.Logs;

namespace KeyService.Server.Audit;

/// <summary>The checkpoint that is pushed.</summary>
/// <param name="Proof">Proves that it goes on from an earlier size.</param>
internal sealed record PushedCheckpoint(Checkpoint Checkpoint, SignedNote Note, Func<long, CancellationToken, Task<IReadOnlyList<byte[]>>> Proof);

/// <summary>Somebody out of the service's hands who should hold checkpoints.</summary>
internal interface ICheckpointDestination
{
    string Name { get; }

    /// <summary>Gives it the checkpoint; cosignatures that it answered with, none where it gives none.</summary>
    /// <exception cref="CheckpointPushException">It does not have it.</exception>
    Task<IReadOnlyList<NoteSignature>> PushAsync(PushedCheckpoint checkpoint, CancellationToken cancellationToken);
}

/// <summary>A destination does not have the checkpoint. The message is a sentence without a full stop, without secrets.</summary>
/// <param name="contradicts">It holds another history than ours: nothing that trying again mends.</param>
internal sealed class CheckpointPushException(string message, bool contradicts = false, Exception? cause = null) : Exception(message, cause)
{
    public bool Contradicts { get; } = contradicts;
}
