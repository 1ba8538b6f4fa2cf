using KeyService.Crypto;

namespace KeyService.Server.Backups;

/// <summary>Whether a version may be activated as far as its backup goes.</summary>
internal sealed class BackupGate
{
    private readonly Func<KeyVersionId, bool>? _isOpen;

    /// <param name="isOpen">Null where no backup is demanded.</param>
    internal BackupGate(Func<KeyVersionId, bool>? isOpen) => _isOpen = isOpen;

    public bool Required => _isOpen is not null;

    public ValueTask<bool> IsOpenAsync(KeyVersionId version, CancellationToken cancellationToken) => new(_isOpen?.Invoke(version) ?? true);
}
