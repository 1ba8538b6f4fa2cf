namespace KeyService.Crypto.Logs;

/// <summary>What a log has to be consistent with.</summary>
/// <param name="What">Its name in findings.</param>
/// <param name="Vouches">Whether it proves that nothing before it is missing.</param>
internal sealed record HeldCheckpoint(Checkpoint Checkpoint, string What, bool Vouches = true);

/// <summary>The root that a log must have had at a size.</summary>
/// <param name="What">Who says so.</param>
internal sealed record LogMark(long Size, byte[] Root, string What);
