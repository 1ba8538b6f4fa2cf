using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Keys;

/// <summary>A key as this server uses it: its verified row and its active version.</summary>
internal sealed record Key(KeyRow Row, KeyVersion Primary)
{
    public string Name => Row.Name;

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
            throw new Refusal(
                Reason.KeyState,
                "The key's newest version does not encrypt in its present state. Rotate the key, or have it activated again.");
        }

        if (version.ActivateTime is { } activated && now - activated > RotationPolicy.Limit)
        {
            throw new Refusal(
                Reason.KeyOverdue,
                $"The key's active version is older than {RotationPolicy.Limit.TotalDays:0} days and encrypts nothing more; it still decrypts. "
                + "Rotate the key.");
        }

        return Primary;
    }

    /// <summary>Whether the active version may protect now.</summary>
    public bool MayProtect(DateTimeOffset now) => KeyStates.MayProtect(Primary.Row.State)
        && !(Primary.Row.ActivateTime is { } activated && now - activated > RotationPolicy.Limit);
}
