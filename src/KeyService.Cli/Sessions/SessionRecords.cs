using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Sessions;

/// <summary>Sessions and second factors as results.</summary>
internal static class SessionRecords
{
    public static Record Of(Session session) => new()
    {
        ["id"] = session.Id,
        ["principal"] = session.Principal,
        ["open_time"] = Times.Of(session.OpenTime),
        ["last_use_time"] = Times.Of(session.LastUseTime),
        ["proof_time"] = Times.Of(session.ProofTime),
        ["expire_time"] = Times.Of(session.ExpireTime),
    };

    public static Record Of(SecondFactor factor) => new Record
    {
        ["principal"] = factor.Principal,
        ["second_factor"] = EnumNames.Of(factor.State),
        ["failures"] = factor.Failures,
        ["lock_time"] = Times.Of(factor.LockTime),
        ["reset_asked_by"] = factor.ResetAskedBy,
    }
    .Detail("reset_ask_time", Times.Of(factor.ResetAskTime))
    .Detail("activate_time", Times.Of(factor.ActivateTime))
    .Detail("revision", factor.Revision);
}
