using Google.Protobuf.WellKnownTypes;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Keys;

/// <summary>
/// When a key's active version is to be replaced, and when it stops protecting. 90 to 180 days are industry practice for keys that protect
/// patient data, a default of this product and not the text of a regulation.
/// </summary>
/// <param name="Period">Time from activation to rotation, 90 to 180 days.</param>
/// <param name="Limit">Age past which a version protects nothing more, the period to 180 days; what it protected stays readable.</param>
/// <param name="WarnBefore">How long before the rotation it is looked at whether it can be done, 1 to 60 days.</param>
internal readonly record struct RotationPolicy(TimeSpan Period, TimeSpan Limit, TimeSpan WarnBefore)
{
    public static readonly TimeSpan MinPeriod = TimeSpan.FromDays(90);

    public static readonly TimeSpan MaxPeriod = TimeSpan.FromDays(180);

    public static readonly TimeSpan MinWarning = TimeSpan.FromDays(1);

    public static readonly TimeSpan MaxWarning = TimeSpan.FromDays(60);

    // Where the period is as long as the limit, the rotation is done a little before it: a version that is replaced on time never refuses.
    private static readonly TimeSpan Margin = TimeSpan.FromHours(1);

    public static RotationPolicy Default { get; } = new(MinPeriod, MaxPeriod, TimeSpan.FromDays(14));

    /// <summary>Whether it lets a version protect for longer between rotations than the default does, which officers approve once there are any.</summary>
    public bool IsException => Period > Default.Period;

    /// <summary>When a version activated at <paramref name="activated"/> is to be replaced.</summary>
    public DateTimeOffset RotateAt(DateTimeOffset activated) => activated + (Period < Limit - Margin ? Period : Limit - Margin);

    /// <summary>Past this time a version activated at <paramref name="activated"/> protects nothing more.</summary>
    public DateTimeOffset LimitAt(DateTimeOffset activated) => activated + Limit;

    /// <summary>The policy in a request; what is absent there stays as it is in <paramref name="before"/>.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static RotationPolicy Require(Wire.RotationPolicy? policy, RotationPolicy before, string field)
    {
        var period = Seconds(policy?.Period, before.Period, MinPeriod, MaxPeriod, $"{field}.period",
            "must be 90 to 180 days in whole seconds; the range is industry practice for keys that protect patient data");
        // A limit that was not asked for follows the period rather than refusing it.
        var limit = Seconds(policy?.Limit, before.Limit > period ? before.Limit : period, period, MaxPeriod, $"{field}.limit",
            $"must be the period ({period.TotalDays:0.##} days) to 180 days in whole seconds: a limit before the rotation would stop the key");
        var warning = Seconds(policy?.WarnBefore, before.WarnBefore, MinWarning, MaxWarning, $"{field}.warn_before",
            "must be 1 to 60 days in whole seconds");
        return new RotationPolicy(period, limit, warning);
    }

    public Wire.RotationPolicy ToWire() => new()
    {
        Period = Duration.FromTimeSpan(Period),
        Limit = Duration.FromTimeSpan(Limit),
        WarnBefore = Duration.FromTimeSpan(WarnBefore),
    };

    // Whole seconds only: Duration.ToTimeSpan throws on what is not normalised, and nobody rotates by the nanosecond.
    private static TimeSpan Seconds(Duration? asked, TimeSpan absent, TimeSpan min, TimeSpan max, string field, string rule)
    {
        if (asked is null)
        {
            return absent;
        }

        return asked.Nanos == 0 && asked.Seconds >= (long)min.TotalSeconds && asked.Seconds <= (long)max.TotalSeconds
            ? TimeSpan.FromSeconds(asked.Seconds)
            : throw Refusal.InvalidArgument(field, rule);
    }
}
