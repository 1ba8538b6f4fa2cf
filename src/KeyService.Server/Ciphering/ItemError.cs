using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>Why one item of a batch has no data.</summary>
internal enum ItemError
{
    None,
    AccessDenied,
    DecryptionFailed,
    KeyState,
}

internal static class ItemErrors
{
    /// <summary>Name of the Reason without "REASON_", as the item's result carries it.</summary>
    public static ReadOnlySpan<byte> Name(ItemError error) => error switch
    {
        ItemError.AccessDenied => "ACCESS_DENIED"u8,
        ItemError.DecryptionFailed => "DECRYPTION_FAILED"u8,
        ItemError.KeyState => "KEY_STATE"u8,
        _ => throw new ArgumentOutOfRangeException(nameof(error)),
    };

    /// <summary>The same as the refusal of a call about one item.</summary>
    public static Refusal ToRefusal(ItemError error) => error switch
    {
        ItemError.AccessDenied => Refusal.AccessDenied(),
        ItemError.DecryptionFailed => Refusal.DecryptionFailed(),
        ItemError.KeyState => new Refusal(
            Reason.KeyState, "The key version that made this does not decrypt in its present state. Ask a key administrator."),
        _ => throw new ArgumentOutOfRangeException(nameof(error)),
    };
}
