using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Keys;

/// <summary>A key as this server uses it: its verified row and its active version.</summary>
internal sealed record Key(KeyRow Row, KeyVersion Primary)
{
    public string Name => Row.Name;

    /// <summary>The active version, if it may protect now.</summary>
    /// <exception cref="Refusal">KEY_STATE, KEY_OVERDUE.</exception>
    public KeyVersion ForProtection(DateTimeOffset now)
    {
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
}
