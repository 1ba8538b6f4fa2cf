using KeyService.Crypto;
using KeyService.Protocol.V1;

namespace KeyService.Client.Internal;

/// <summary>Contexts on the wire. The empty context is an absent message.</summary>
internal static class Contexts
{
    public static Context? ToMessage(EncryptionContext context)
    {
        if (context.Pairs.Count == 0)
        {
            return null;
        }
        var message = new Context();
        foreach (var (key, value) in context.Pairs)
        {
            message.Entries.Add(new ContextEntry { Key = key, Value = value });
        }
        return message;
    }
}
