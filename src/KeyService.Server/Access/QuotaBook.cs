using System.Collections.Concurrent;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>What may still be done under each grant that has quotas, over all servers.</summary>
internal sealed class QuotaBook(IStore store, RowAuthenticator rows, TimeProvider time) : IDisposable
{
    private readonly QuotaTable _table = new(rows);
    private readonly ConcurrentDictionary<ulong, QuotaBudget[]> _budgets = [];

    /// <summary>The quota of the grant that has nothing left, as far as this server knows, the one that stays so longest: asked before any work is done.</summary>
    public SpentQuota? FindSpent(Grant grant)
    {
        if (grant.Quotas.Count == 0)
        {
            return null;
        }

        var now = time.GetUtcNow();
        SpentQuota? longest = null;
        foreach (var budget in BudgetsOf(grant))
        {
            if (budget.IsSpent(now) && (longest is null || budget.Quota.WindowEnd(now) - now > longest.UntilEnd))
            {
                longest = new SpentQuota(grant, budget.Quota, budget.Quota.WindowEnd(now) - now);
            }
        }

        return longest;
    }

    /// <summary>Counts what a call did; before it is answered.</summary>
    /// <exception cref="Refusal">QUOTA_EXHAUSTED: a window has less left, and nothing was counted.</exception>
    public async ValueTask TakeAsync(Grant grant, long calls, long items, long bytes)
    {
        var now = time.GetUtcNow();
        var taken = new List<(QuotaBudget Budget, long Amount)>(grant.Quotas.Count);
        foreach (var budget in BudgetsOf(grant))
        {
            var amount = budget.Quota.Measure switch { QuotaMeasure.Calls => calls, QuotaMeasure.Items => items, _ => bytes };
            if (amount > 0 && !await budget.TryTakeAsync(amount, now))
            {
                taken.ForEach(each => each.Budget.Return(each.Amount, now));
                throw Refusal.QuotaExhausted(new SpentQuota(grant, budget.Quota, budget.Quota.WindowEnd(now) - now));
            }

            taken.Add((budget, amount));
        }
    }

    public void Dispose()
    {
        foreach (var budget in _budgets.Values.SelectMany(each => each))
        {
            budget.Dispose();
        }
    }

    private QuotaBudget[] BudgetsOf(Grant grant) => _budgets.GetOrAdd(
        grant.Id,
        (_, of) => [.. of.Quotas.Select(quota => new QuotaBudget(quota, (least, most, start) => ReserveAsync(of, quota, least, most, start)))],
        grant);

    private async Task<QuotaReservation> ReserveAsync(Grant grant, Quota quota, long least, long most, DateTimeOffset windowStart)
    {
        var reservation = default(QuotaReservation);
        var record = new AuditRecordDraft(AuditEvent.QuotaReserved) { Automated = true };
        await store.CommitAsync(
            record,
            async transaction =>
            {
                var count = await _table.GetAsync(transaction, grant.Id, quota);
                // A row of a later window is another server's whose clock is ahead: it counts for this one.
                var (start, reserved) = count.WindowStart >= windowStart ? (count.WindowStart, count.Reserved) : (windowStart, 0);
                var left = Math.Max(quota.Limit - reserved, 0);
                // Nothing in part: what is too large for one server's call would keep the rest from calls of the others.
                var granted = left >= least ? Math.Min(left, most) : 0;
                reservation = new QuotaReservation(granted, left - granted);
                record.ItemCount = granted;
                record.Detail = $"grant {grant.IdText}, {quota}, reserved in the window: {reserved + granted}";
                if (granted > 0)
                {
                    await _table.PutAsync(transaction, count with { WindowStart = start, Reserved = reserved + granted, Revision = count.Revision + 1 });
                }
            },
            CancellationToken.None);
        return reservation;
    }
}
