using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Sessions;

/// <summary>From and to the messages of sessions.proto.</summary>
internal static class SessionMessages
{
    private const int IdLength = 16;

    public static Wire.Session ToMessage(this PersonSession session) => new()
    {
        Id = session.Id,
        Principal = session.Principal,
        OpenTime = Timestamp.FromDateTimeOffset(session.OpenTime),
        LastUseTime = Timestamp.FromDateTimeOffset(session.LastUseTime),
        ProofTime = Timestamp.FromDateTimeOffset(session.ProofTime),
        ExpireTime = Timestamp.FromDateTimeOffset(session.OpenTime + SessionLimits.Longest),
    };

    public static Wire.SecondFactor ToMessage(this SecondFactor factor, DateTimeOffset now) => new()
    {
        Principal = factor.Principal,
        State = (Wire.SecondFactorState)factor.State,
        Failures = (int)factor.Failures,
        LockTime = TimeOrNull(factor.LockTime),
        ResetAskedBy = factor.IsResetAsked(now) ? factor.ResetAskedBy : "",
        ResetAskTime = factor.IsResetAsked(now) ? TimeOrNull(factor.ResetAskTime) : null,
        ActivateTime = TimeOrNull(factor.ActivateTime),
        Revision = factor.Revision,
    };

    public static int CodeOf(Google.Protobuf.ByteString code) => OneTimePassword.TryParse(code.Span, out var number)
        ? number
        : throw Refusal.InvalidArgument("code", $"must be {OneTimePassword.Digits} digits");

    public static string IdOf(Wire.EndSessionRequest request) => request.Id.Length == IdLength && request.Id.All(char.IsAsciiHexDigitLower)
        ? request.Id
        : throw Refusal.InvalidArgument("id", "16 hexadecimal digits, as the list shows them");

    private static Timestamp? TimeOrNull(DateTimeOffset? time) => time is { } value ? Timestamp.FromDateTimeOffset(value) : null;
}
