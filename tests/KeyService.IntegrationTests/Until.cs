using System.Diagnostics;

namespace KeyService.IntegrationTests;

/// <summary>Waits for what must come, however slow the machine is.</summary>
internal static class Until
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(10);

    public static Task TrueAsync(Func<bool> condition, string what) => TrueAsync(() => Task.FromResult(condition()), what);

    public static async Task TrueAsync(Func<Task<bool>> condition, string what)
    {
        var begun = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Command.Limit, $"Waited {Command.Limit} in vain for: {what}");
            await Task.Delay(Every);
        }
    }
}
