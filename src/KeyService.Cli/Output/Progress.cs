using System.Diagnostics;

namespace KeyService.Cli.Output;

/// <summary>
/// How far a pipeline is: one line on stderr that is drawn again five times a second, only while a terminal watches; and the
/// final line, which also a log file gets.
/// </summary>
internal sealed class Progress : IProgress<long>, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly string verb;
    private readonly long? total;
    private readonly bool quiet;
    private readonly Measure measure;
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private readonly Timer? timer;
    private readonly Lock drawing = new();
    private long done;
    private bool drawn;
    private bool ended;

    /// <param name="verb">"encrypting", "decrypting", "verifying".</param>
    /// <param name="total">How much is to come, when known.</param>
    /// <param name="quiet">Nothing at all is written.</param>
    /// <param name="measure">What is counted; bytes when null.</param>
    public Progress(string verb, long? total, bool quiet, Measure? measure = null)
    {
        this.measure = measure ?? Measure.Bytes;
        this.verb = verb;
        this.total = total is > 0 ? total : null;
        this.quiet = quiet;
        timer = !quiet && Terminal.IsError ? new Timer(_ => Draw(), null, Interval, Interval) : null;
    }

    public TimeSpan Elapsed => watch.Elapsed;

    public void Report(long value) => Interlocked.Exchange(ref done, value);

    /// <summary>Ends the progress with one line, for example "encrypted 132.0 MB in 0.4 s (330 MB/s) -> dump.ksa".</summary>
    public void Finish(string verbDone, long count, string target)
    {
        watch.Stop();
        End();
        if (!quiet)
        {
            Console.Error.WriteLine(
                $"{verbDone} {measure.Amount(count)} in {Amount.Seconds(watch.Elapsed)} ({measure.Rate(count, watch.Elapsed)}){target}");
        }
    }

    public void Dispose() => End();

    private void End()
    {
        lock (drawing)
        {
            ended = true;
            timer?.Dispose();
            Erase();
        }
    }

    private void Draw()
    {
        lock (drawing)
        {
            if (ended)
            {
                return;
            }
            var now = Interlocked.Read(ref done);
            var share = total is { } all ? $" of {measure.Amount(all)}, {Math.Min(100, now * 100 / all)} %" : "";
            var left = total is { } whole && now > 0 && now < whole ? $", {Amount.Seconds(watch.Elapsed * ((double)(whole - now) / now))} left" : "";
            Console.Error.Write($"\r\x1b[K{verb} {measure.Amount(now)}{share}, {measure.Rate(now, watch.Elapsed)}{left}");
            drawn = true;
        }
    }

    private void Erase()
    {
        if (drawn)
        {
            Console.Error.Write("\r\x1b[K");
            drawn = false;
        }
    }
}
