using KeyService.Hsm.Pkcs11;

namespace KeyService.Tests.Hsm;

public sealed class OperationGateTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Closing_waits_for_every_reader_and_keeps_new_ones_out()
    {
        var gate = new OperationGate();
        Assert.True(gate.TryEnter());
        Assert.True(gate.TryEnter());
        var closing = gate.CloseAsync(Long, TimeProvider.System, default);
        Assert.False(gate.TryEnter());
        var waiting = gate.EnterAsync(default).AsTask();
        gate.Exit();
        Assert.False(closing.IsCompleted);
        gate.Exit();
        var closure = await closing;
        Assert.False(waiting.IsCompleted);
        closure.Dispose();
        await waiting;
        gate.Exit();
        Assert.True(gate.TryEnter());
    }

    [Fact]
    public async Task A_reader_that_does_not_leave_makes_closing_time_out_and_the_gate_stays_open()
    {
        var gate = new OperationGate();
        Assert.True(gate.TryEnter());
        await Assert.ThrowsAsync<TimeoutException>(() => gate.CloseAsync(TimeSpan.FromMilliseconds(1), TimeProvider.System, default));
        Assert.True(gate.TryEnter());
        gate.Exit();
        gate.Exit();
        (await gate.CloseAsync(Long, TimeProvider.System, default)).Dispose();
    }

    [Fact]
    public async Task Writers_take_turns()
    {
        var gate = new OperationGate();
        var first = await gate.CloseAsync(Long, TimeProvider.System, default);
        var second = gate.CloseAsync(Long, TimeProvider.System, default);
        Assert.False(second.IsCompleted);
        first.Dispose();
        first.Dispose(); // once counts
        (await second).Dispose();
        Assert.True(gate.TryEnter());
    }

    [Fact]
    public async Task A_waiting_reader_can_give_up()
    {
        var gate = new OperationGate();
        using var closure = await gate.CloseAsync(Long, TimeProvider.System, default);
        using var cancelled = new CancellationTokenSource();
        var waiting = gate.EnterAsync(cancelled.Token).AsTask();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task Readers_and_a_writer_never_meet()
    {
        var gate = new OperationGate();
        var inside = 0;
        using var stop = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await gate.EnterAsync(default);
                Interlocked.Increment(ref inside);
                Interlocked.Decrement(ref inside);
                gate.Exit();
            }
        })).ToArray();
        for (var round = 0; round < 200; round++)
        {
            using (await gate.CloseAsync(Long, TimeProvider.System, default))
            {
                Assert.Equal(0, Volatile.Read(ref inside));
            }
        }
        await stop.CancelAsync();
        await Task.WhenAll(readers);
    }
}
