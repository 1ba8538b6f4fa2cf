using KeyService.Hsm.Connection;

namespace KeyService.Tests.Hsm;

/// <summary>What counts as stuck, who is released, and what calms the dog. Looks happen when the test says so.</summary>
public sealed class WatchdogTests : IDisposable
{
    private const int Enough = 12;
    private readonly ManualTimers time = new();
    private readonly Watchdog dog;
    private int barked;

    public WatchdogTests()
    {
        dog = new Watchdog(TimeSpan.FromSeconds(5), time, () => Interlocked.Increment(ref barked));
        dog.Allow(2);
    }

    public void Dispose() => dog.Dispose();

    [Fact]
    public async Task Who_waits_for_a_call_that_does_not_come_back_is_released_and_its_return_calms_the_dog()
    {
        using var comesBack = new ManualResetEventSlim();
        var waiting = dog.Barked;
        var (left, call) = Start(comesBack);
        await LookAsync(Enough);
        var stuck = await Assert.ThrowsAsync<StuckCallException>(() => call);
        Assert.True(dog.IsBarking && dog.HasStuckInside && waiting.IsCancellationRequested);
        Assert.False(dog.IsProbeStuck || stuck.Ended.IsCompleted);
        Assert.Equal(1, barked);
        comesBack.Set();
        await stuck.Ended;
        Assert.True(await left);
        Assert.False(dog.IsBarking || dog.HasStuckInside || dog.Barked.IsCancellationRequested);
    }

    [Fact]
    public async Task Long_work_is_not_stuck_while_its_calls_come_back()
    {
        using var next = new SemaphoreSlim(0);
        using var done = new SemaphoreSlim(0);
        var work = dog.RunAsync(() =>
        {
            for (var i = 0; i < 5; i++)
            {
                next.Wait();
                WatchedWork.Beat();
                done.Release();
            }
            return true;
        });
        for (var i = 0; i < 5; i++)
        {
            time.Look();
            time.Look();
            time.Look(); // fifteen looks in all, never six without a beat
            next.Release();
            await done.WaitAsync();
        }
        Assert.True(await work);
        Assert.Equal(0, barked);
    }

    [Fact]
    public async Task Work_on_its_callers_thread_is_noticed_too()
    {
        using var comesBack = new ManualResetEventSlim();
        var entered = new TaskCompletionSource();
        var call = Task.Run(() =>
        {
            var place = dog.Enter();
            entered.SetResult();
            comesBack.Wait();
            return dog.Leave(place);
        });
        await entered.Task;
        await LookAsync(Enough);
        Assert.True(dog.IsBarking);
        comesBack.Set();
        Assert.True(await call);
        Assert.False(dog.IsBarking);
    }

    [Fact]
    public async Task A_call_that_is_written_off_gives_its_place_away_once()
    {
        using var comesBack = new ManualResetEventSlim();
        var (left, call) = Start(comesBack);
        await LookAsync(Enough);
        var stuck = await Assert.ThrowsAsync<StuckCallException>(() => call);
        Assert.Equal([1, 0], [dog.WriteOff(2), dog.WriteOff(2)]);
        Assert.True(dog.HasStuckInside); // the module cannot be drained while it is there
        Assert.False(dog.IsBarking || dog.Barked.IsCancellationRequested);
        await LookAsync(Enough);
        Assert.False(dog.IsBarking);
        comesBack.Set();
        await stuck.Ended;
        Assert.False(await left);
        Assert.False(dog.HasStuckInside);
    }

    [Fact]
    public async Task More_stuck_calls_than_places_are_not_written_off()
    {
        using var comesBack = new ManualResetEventSlim();
        var calls = Enumerable.Range(0, 3).Select(_ => Start(comesBack).Call).ToArray();
        await LookAsync(Enough);
        Assert.Equal(0, dog.WriteOff(2));
        Assert.True(dog.IsBarking);
        comesBack.Set();
        foreach (var call in calls)
        {
            await (await Assert.ThrowsAsync<StuckCallException>(() => call)).Ended;
        }
        Assert.False(dog.IsBarking);
    }

    [Fact]
    public async Task A_failure_is_its_callers_and_threads_are_used_again()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => dog.RunAsync<bool>(() => throw new InvalidOperationException()));
        Assert.Equal(Enumerable.Range(0, 200), await Task.WhenAll(Enumerable.Range(0, 200).Select(i => dog.RunAsync(() => i))));
    }

    private (Task<bool> Left, Task<bool> Call) Start(ManualResetEventSlim comesBack)
    {
        var left = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var started = new TaskCompletionSource();
        var call = dog.RunAsync(
            () =>
            {
                started.SetResult();
                comesBack.Wait();
                return true;
            },
            left.SetResult);
        started.Task.Wait(TimeSpan.FromSeconds(60));
        return (left.Task, call);
    }

    private async Task LookAsync(int times)
    {
        for (var i = 0; i < times; i++)
        {
            time.Look();
            await Task.Yield();
        }
    }

    /// <summary>A clock whose timers fire when they are told to.</summary>
    private sealed class ManualTimers : TimeProvider
    {
        private Action look = () => { };

        internal void Look() => look();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            look = () => callback(state);
            return new Timer();
        }

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
