using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Keys;

/// <summary>A key as this server uses it: its verified row and its active version.</summary>
internal sealed record Key(KeyRow Row, KeyVersion Primary)
{
    private volatile bool _stale;

    public string Name => Row.Name;

    /// <summary>True when another server may have changed it, so that it has to be read again before it is used.</summary>
    public bool IsStale => _stale || Primary.IsStale;

    public void MarkStale() => _stale = true;

    /// <summary>The active version, if it may protect now and the key is for this.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT for a key of another purpose; KEY_STATE, KEY_OVERDUE.</exception>
    public KeyVersion ForProtection(DateTimeOffset now, KeyPurpose purpose = KeyPurpose.EncryptDecrypt)
    {
        if (Row.Purpose != purpose)
        {
            throw Refusal.InvalidArgument("key", Row.Purpose == KeyPurpose.BlindIndex
                ? "is for blind indexes and serves nothing else"
                : "is not for blind indexes; make one for that (keyservice key create --purpose blind-index)");
        }

        var version = Primary.Row;
        if (!KeyStates.MayProtect(version.State))
        {
            throw new Refusal(Reason.KeyState, version.State switch
            {
                KeyState.PreActivation =>
                    "The key waits for its first backup: its version is activated by itself when a verified bundle holds it at enough destinations "
                    + "(keyservice rotation status, keyservice backup list).",
                KeyState.Suspended => "The key is suspended and encrypts nothing until it is resumed (keyservice key resume).",
                KeyState.Compromised =>
                    "The key's newest version was declared compromised and encrypts nothing more; a new one is activated as soon as one may be "
                    + "(keyservice key rotate, keyservice rotation status).",
                _ => "The key's newest version does not encrypt in its present state. Rotate the key.",
            });
        }

        if (IsOverdue(now))
        {
            throw new Refusal(
                Reason.KeyOverdue,
                $"The key's active version is older than {Row.Rotation.Limit.TotalDays:0.##} days and encrypts nothing more; it still decrypts. "
                + "Rotate the key; keyservice rotation status says what keeps it from being rotated by itself.");
        }

        return Primary;
    }

    /// <summary>Whether the active version may protect now.</summary>
    public bool MayProtect(DateTimeOffset now) => KeyStates.MayProtect(Primary.Row.State) && !IsOverdue(now);

    private bool IsOverdue(DateTimeOffset now) => Primary.Row.ActivateTime is { } activated && now > Row.Rotation.LimitAt(activated);
}
