using KeyService.Cli.Output;

namespace KeyService.Cli.Campaigns;

/// <summary>How far the work in one holding is: for the person at the terminal, for the service every few seconds, and for the pace.</summary>
/// <param name="shown">The line at the terminal.</param>
/// <param name="pace">Held to after each batch.</param>
/// <param name="report">Tells the service items done and failed.</param>
/// <param name="time">The clock.</param>
internal sealed class WorkProgress(IProgress<long> shown, Pace pace, Func<long, long, Task> report, TimeProvider time)
{
    private const int MostExamples = 10;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly List<string> examples = [];
    private long reported = time.GetTimestamp();

    /// <summary>Items that stand under the newest version now and did not before.</summary>
    public long Changed { get; private set; }

    /// <summary>Items that did not open or could not be written.</summary>
    public long Failed { get; private set; }

    /// <summary>The first of those that failed, with the reason; names of rows and files, never contents.</summary>
    public IReadOnlyList<string> Examples => examples;

    public void Fail(string item, string reason)
    {
        Failed++;
        if (examples.Count < MostExamples)
        {
            examples.Add(Terminal.Printable($"{item}: {reason}"));
        }
    }

    /// <summary>A batch is done. Waits as the pace wants it.</summary>
    public async Task AdvanceAsync(long changed, CancellationToken cancellation)
    {
        Changed += changed;
        shown.Report(Changed + Failed);
        if (time.GetElapsedTime(reported) >= Interval)
        {
            reported = time.GetTimestamp();
            await report(Changed, Failed).ConfigureAwait(false);
        }
        await pace.KeepAsync(Changed + Failed, cancellation).ConfigureAwait(false);
    }
}
