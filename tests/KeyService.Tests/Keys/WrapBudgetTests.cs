using KeyService.Protocol.V1;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Keys;

public class WrapBudgetTests
{
    [Fact]
    public async Task Wraps_are_reserved_before_they_are_made_and_in_blocks()
    {
        var counter = new Counter(0);
        using var budget = new WrapBudget(counter.ReserveAsync);
        await budget.TakeAsync(1, default);
        Assert.Equal(1, counter.Reservations);
        await budget.TakeAsync((int)WrapBudget.FirstBlock - 1, default);
        Assert.Equal(1, counter.Reservations);
        await budget.TakeAsync(1, default);
        Assert.Equal(2, counter.Reservations);
    }

    [Fact]
    public async Task Blocks_grow_from_a_small_first_one_up_to_the_full_one()
    {
        var counter = new Counter(0);
        using var budget = new WrapBudget(counter.ReserveAsync);
        var seen = new List<long>();
        while (seen.Count < 4)
        {
            await budget.TakeAsync(1000, default);
            if (counter.Reservations > seen.Count)
            {
                seen.Add(counter.Reserved - seen.Sum());
            }
        }

        Assert.Equal([WrapBudget.FirstBlock, WrapBudget.FirstBlock * 8, WrapBudget.Block, WrapBudget.Block], seen);
    }

    [Fact]
    public async Task The_last_wrap_is_the_2_to_the_32nd_and_no_further_one_is_made()
    {
        var counter = new Counter(WrapBudget.Limit - 5);
        using var budget = new WrapBudget(counter.ReserveAsync);
        await budget.TakeAsync(3, default);
        Assert.Equal(WrapBudget.Limit, counter.Reserved);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => budget.TakeAsync(3, default).AsTask());
        Assert.Equal(Reason.KeyExhausted, refusal.Reason);

        // What is left is still given to who needs no more than that.
        await budget.TakeAsync(2, default);
        await Assert.ThrowsAsync<Refusal>(() => budget.TakeAsync(1, default).AsTask());
        Assert.Equal(WrapBudget.Limit, counter.Reserved);
    }

    [Fact]
    public async Task Many_at_a_time_never_take_more_than_was_reserved()
    {
        var counter = new Counter(WrapBudget.Limit - 200_000);
        using var budget = new WrapBudget(counter.ReserveAsync);
        long taken = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    await budget.TakeAsync(1 + worker, default);
                    Interlocked.Add(ref taken, 1 + worker);
                }
            }
            catch (Refusal)
            {
                // Exhausted, as it must end.
            }
        })));
        Assert.InRange(taken, 200_000 - 8, 200_000);
        Assert.Equal(1, counter.AtATime);
    }

    [Fact]
    public async Task A_reservation_that_fails_gives_nothing()
    {
        var fail = true;
        using var budget = new WrapBudget((_, _) => fail ? throw new InvalidOperationException("the store is away") : Task.FromResult(5L));
        await Assert.ThrowsAsync<InvalidOperationException>(() => budget.TakeAsync(1, default).AsTask());
        fail = false;
        await budget.TakeAsync(5, default);
    }

    /// <summary>Stands where the store stands.</summary>
    private sealed class Counter(long reserved)
    {
        private int _inside;

        public long Reserved { get; private set; } = reserved;

        public int Reservations { get; private set; }

        public int AtATime { get; private set; }

        public async Task<long> ReserveAsync(long wanted, CancellationToken cancellationToken)
        {
            AtATime = Math.Max(AtATime, Interlocked.Increment(ref _inside));
            await Task.Yield();
            var granted = Math.Min(wanted, WrapBudget.Limit - Reserved);
            Reserved += granted;
            Reservations++;
            Interlocked.Decrement(ref _inside);
            return granted;
        }
    }
}
