namespace KeyService.Server.Places;

/// <summary>From how many places a principal's credential may be used within a time.</summary>
internal sealed record PlacePolicy
{
    public const int MostPlaces = 1000;
    public static readonly TimeSpan ShortestWindow = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan LongestWindow = TimeSpan.FromDays(31);

    public required string Principal { get; init; }

    /// <summary>1 to 1,000; 0: not watched.</summary>
    public required int Most { get; init; }

    /// <summary>1 minute to 31 days.</summary>
    public required TimeSpan Window { get; init; }

    /// <summary>Bits of an address that make a place, 8 to 32.</summary>
    public required int Ipv4Prefix { get; init; }

    /// <summary>16 to 128.</summary>
    public required int Ipv6Prefix { get; init; }

    public required long Revision { get; init; }

    /// <summary>How often the use of a known place is written.</summary>
    public TimeSpan NoteEvery => Window / 20 is var part && part > ShortestWindow ? part : ShortestWindow;
}

/// <summary>A place that a principal's credential was used from.</summary>
internal sealed record SeenPlace(string Principal, string Place, DateTimeOffset FirstSeen, DateTimeOffset LastSeen, long Revision);
