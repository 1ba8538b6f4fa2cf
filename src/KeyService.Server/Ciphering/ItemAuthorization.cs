using KeyService.Crypto;
using KeyService.Protocol.Bulk;
using KeyService.Server.Pipeline;

namespace KeyService.Server.Ciphering;

/// <summary>
/// Asks for the effective context of every item. A grant that covers the shared context covers each item's: an item only adds pairs, and
/// a constraint names pairs that must be there. So items are asked for one by one only where the shared context is not enough.
/// </summary>
internal static class ItemAuthorization
{
    /// <summary>Demands a grant for all items.</summary>
    /// <exception cref="Refusal">ACCESS_DENIED when one of them is not covered: nothing is done.</exception>
    public static void Authorize(Call call, string key, EncryptionContext shared, FieldRequest request)
    {
        if (call.Covers(key, shared) || !CoversAll(call, key, shared, request))
        {
            call.Authorize(key, shared);
            return;
        }

        call.Record.Key = key;
        call.Names(shared);
        call.AuthorizeItems();
    }

    /// <summary>Whether a grant covers some item where none covers the shared context.</summary>
    public static bool CoversAny(Call call, string key, EncryptionContext shared, FieldRequest request)
    {
        for (var item = 0; item < request.ItemCount; item++)
        {
            if (Covers(call, key, shared, request, item))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a grant covers one item.</summary>
    public static bool Covers(Call call, string key, EncryptionContext shared, FieldRequest request, int item)
    {
        var own = request.ItemContext(item);
        return own.Count > 0
            && call.Covers(key, RequestContexts.RequireMerged(shared, own, FieldRequestChecks.ContextField(request, item)));
    }

    private static bool CoversAll(Call call, string key, EncryptionContext shared, FieldRequest request)
    {
        for (var item = 0; item < request.ItemCount; item++)
        {
            if (!Covers(call, key, shared, request, item))
            {
                return false;
            }
        }

        return true;
    }
}
