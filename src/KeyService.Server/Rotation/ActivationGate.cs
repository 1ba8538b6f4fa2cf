using KeyService.Crypto;

namespace KeyService.Server.Rotation;

/// <summary>What has to hold before a version may be activated; in service <see cref="Backups.BackupGate"/>.</summary>
/// <param name="Required">False where nothing is demanded.</param>
/// <param name="IsOpenAsync">Whether this version may be activated.</param>
/// <param name="VersionsMade">Told that there are new versions to be backed up.</param>
internal sealed record ActivationGate(bool Required, Func<KeyVersionId, CancellationToken, Task<bool>> IsOpenAsync, Action VersionsMade);
