using Google.Protobuf.WellKnownTypes;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Keys;

/// <summary>
/// When a key's active version is to be replaced. 90 to 180 days are industry practice for keys that protect patient data, a
/// default of this product and not the text of a regulation.
/// </summary>
/// <param name="Period">Time from activation to rotation.</param>
internal readonly record struct RotationPolicy(TimeSpan Period)
{
    public static readonly TimeSpan MinPeriod = TimeSpan.FromDays(90);

    public static readonly TimeSpan MaxPeriod = TimeSpan.FromDays(180);

    /// <summary>Age of an active version past which it protects nothing more; what it protected stays readable.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromDays(180);

    public static RotationPolicy Default { get; } = new(MinPeriod);

    /// <summary>The policy in a request.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static RotationPolicy Require(Wire.RotationPolicy? policy, string field)
    {
        if (policy?.Period is not { } period)
        {
            return Default;
        }

        // Whole seconds only: Duration.ToTimeSpan throws on what is not normalised, and nobody rotates by the nanosecond.
        if (period.Nanos != 0 || period.Seconds < (long)MinPeriod.TotalSeconds || period.Seconds > (long)MaxPeriod.TotalSeconds)
        {
            throw Refusal.InvalidArgument(
                $"{field}.period",
                "must be 90 to 180 days in whole seconds; the range is industry practice for keys that protect patient data");
        }

        return new RotationPolicy(TimeSpan.FromSeconds(period.Seconds));
    }

    public Wire.RotationPolicy ToWire() => new() { Period = Duration.FromTimeSpan(Period) };
}
