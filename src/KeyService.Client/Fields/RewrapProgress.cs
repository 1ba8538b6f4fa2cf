namespace KeyService.Client;

/// <summary>How far a re-wrapping is, or what became of it.</summary>
/// <param name="Seen">Data keys looked at.</param>
/// <param name="Rewrapped">Under the newest version now.</param>
/// <param name="Newest">Stood under the newest version before.</param>
/// <param name="Failures">Data keys that did not open or were refused; their rows stand as they stood.</param>
public sealed record RewrapProgress(long Seen, long Rewrapped, long Newest, IReadOnlyList<RewrapFailure> Failures);

/// <summary>One data key that was not wrapped again.</summary>
/// <param name="Id">16 bytes.</param>
/// <param name="Reason">DECRYPTION_FAILED, ACCESS_DENIED, KEY_STATE.</param>
public sealed record RewrapFailure(ReadOnlyMemory<byte> Id, string Reason);
