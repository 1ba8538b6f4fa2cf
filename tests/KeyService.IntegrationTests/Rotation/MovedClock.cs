using System.Globalization;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>
/// The time of day of processes that are started with <see cref="Environment"/>: the real one and what the test added to it. libfaketime reads it from a
/// file at each look at the clock, so that it moves for all of them at one moment. Timers, deadlines and the boot clock stay real, and so do
/// the times of files.
/// </summary>
internal sealed class MovedClock
{
    private readonly string _file;
    private long _leastSeconds;
    private long _mostSeconds;

    public MovedClock(string directory)
    {
        var libraries = Directory.GetDirectories("/usr/lib").Select(each => Path.Combine(each, "faketime", "libfaketimeMT.so.1"));
        var library = libraries.FirstOrDefault(File.Exists);
        Infrastructure.Require(library is not null, "libfaketime (apt-get install libfaketime)");
        _file = Path.Combine(directory, "moved-clock");
        Write(0);
        Environment = new Dictionary<string, string?>
        {
            ["LD_PRELOAD"] = library,
            ["FAKETIME_TIMESTAMP_FILE"] = _file,
            ["FAKETIME_NO_CACHE"] = "1",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
            // Without this, waits by the monotonic clock, which is not faked, are over at once.
            ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0",
            ["NO_FAKE_STAT"] = "1",
        };
    }

    public IReadOnlyDictionary<string, string?> Environment { get; }

    /// <summary>No process that reads the clock from now on reads less.</summary>
    public DateTimeOffset Least => DateTimeOffset.UtcNow.AddSeconds(Volatile.Read(ref _leastSeconds));

    /// <summary>No process that read the clock until now read more.</summary>
    public DateTimeOffset Most => DateTimeOffset.UtcNow.AddSeconds(Volatile.Read(ref _mostSeconds));

    /// <summary>Moves it forward, in whole seconds.</summary>
    public void Move(TimeSpan by)
    {
        var seconds = _mostSeconds + (long)by.TotalSeconds;
        Volatile.Write(ref _mostSeconds, seconds);
        Write(seconds);
        Volatile.Write(ref _leastSeconds, seconds);
    }

    // By renaming: whoever looks finds the old one or the new one.
    private void Write(long seconds)
    {
        File.WriteAllText(_file + ".new", string.Create(CultureInfo.InvariantCulture, $"+{seconds}\n"));
        File.Move(_file + ".new", _file, overwrite: true);
    }
}
