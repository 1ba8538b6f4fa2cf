using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Ciphering;

/// <summary>Reads contexts of requests, strictly: what breaks a rule is refused with the field and the rule.</summary>
internal static class RequestContexts
{
    /// <summary>A context in a generated message; absent is empty.</summary>
    /// <exception cref="Refusal">INVALID_CONTEXT.</exception>
    public static EncryptionContext Require(Wire.Context? context, string field)
    {
        if (context is null || context.Entries.Count == 0)
        {
            return EncryptionContext.Empty;
        }

        try
        {
            return EncryptionContext.Create(context.Entries.Select(entry => KeyValuePair.Create(entry.Key, entry.Value)));
        }
        catch (InvalidContextException exception)
        {
            throw Refused(field, exception);
        }
    }

    /// <summary>A context in a hand-read message.</summary>
    /// <exception cref="Refusal">INVALID_CONTEXT.</exception>
    public static EncryptionContext Require(ContextEntries entries, string field) =>
        entries.Count == 0 ? EncryptionContext.Empty : RequireMerged(EncryptionContext.Empty, entries, field);

    /// <summary>The shared context with an item's own, as an object.</summary>
    /// <exception cref="Refusal">INVALID_CONTEXT.</exception>
    public static EncryptionContext RequireMerged(EncryptionContext shared, ContextEntries own, string field)
    {
        var items = new ItemContexts(
            shared, stackalloc byte[EncryptionContext.MaxEncodedLength], stackalloc ContextEncoder.Entry[EncryptionContext.MaxPairs],
            stackalloc byte[EncryptionContext.MaxEncodedLength]);
        try
        {
            return EncryptionContext.TryParse(items.Of(own).Encoded, out var merged)
                ? merged
                : throw new InvalidOperationException("An encoded context does not parse.");
        }
        catch (InvalidContextException exception)
        {
            throw Refused(field, exception);
        }
    }

    public static Refusal Refused(string field, InvalidContextException exception) =>
        Refusal.InvalidContext(field, exception.Message.TrimEnd('.'));
}
