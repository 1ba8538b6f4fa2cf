using KeyService.Server.Access;

namespace KeyService.Server.Pipeline;

/// <summary>Counts what a call did against the quotas of the grants that allowed it, before it is answered; of a stream before each answer.</summary>
internal sealed class CallCharge(Call call, QuotaBook? quotas)
{
    private long _calls;
    private long _items;
    private long _bytes;

    /// <summary>Counts what came since the last time.</summary>
    /// <exception cref="Refusal">QUOTA_EXHAUSTED.</exception>
    public ValueTask SettleAsync() => call.Counted.Count == 0 || quotas is null ? ValueTask.CompletedTask : CountAsync();

    private async ValueTask CountAsync()
    {
        var items = Math.Max(call.Record.ItemCount, 1);
        var bytes = call.Record.ByteCount;
        foreach (var grant in call.Counted)
        {
            await quotas!.TakeAsync(grant, 1 - _calls, items - _items, bytes - _bytes);
        }

        (_calls, _items, _bytes) = (1, items, bytes);
    }
}
