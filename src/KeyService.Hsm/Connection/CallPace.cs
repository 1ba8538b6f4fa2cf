using KeyService.Hsm.Sessions;

namespace KeyService.Hsm.Connection;

/// <summary>
/// What kind of module it is, by how long a small call takes: software in this process (microseconds), or a device behind a bus or network (hundreds of
/// microseconds to milliseconds). The two want opposite things (docs/adr/0122).
/// </summary>
/// <param name="Call">Shortest of nine times of C_GenerateRandom of 32 bytes when the token was opened: a busy machine makes calls longer, nothing makes them shorter.</param>
internal readonly record struct CallPace(TimeSpan Call)
{
    private const int Samples = 9;
    private static readonly TimeSpan LongestShort = TimeSpan.FromMicroseconds(100);

    internal bool IsShort => Call < LongestShort;

    /// <summary>Calls at once when the configuration does not say.</summary>
    internal int MaxConcurrency => IsShort ? 2 : 32;

    internal static CallPace Measure(HsmSession session, TimeProvider time)
    {
        Span<byte> bytes = stackalloc byte[32];
        var shortest = TimeSpan.MaxValue;
        for (var i = 0; i < Samples; i++)
        {
            var start = time.GetTimestamp();
            session.Random(bytes);
            var taken = time.GetElapsedTime(start);
            shortest = taken < shortest ? taken : shortest;
        }
        return new CallPace(shortest);
    }
}
