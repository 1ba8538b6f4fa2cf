using Google.Protobuf.WellKnownTypes;

namespace KeyService.Cli.Output;

/// <summary>Names of protocol enums as the command writes them: PreActivation is "pre-activation".</summary>
internal static class EnumNames
{
    public static string Of<TEnum>(TEnum value)
        where TEnum : struct, System.Enum
    {
        var name = value.ToString();
        return string.Concat(name.Select((c, i) =>
            (i > 0 && char.IsUpper(c) && !char.IsUpper(name[i - 1]) ? "-" : "") + char.ToLowerInvariant(c)));
    }
}

/// <summary>Times of the protocol.</summary>
internal static class Times
{
    public static DateTimeOffset? Of(Timestamp? time) => time?.ToDateTimeOffset();
}
