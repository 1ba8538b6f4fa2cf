using HsmSim.Faults;
using HsmSim.Functions;

namespace HsmSim.Proxy;

/// <summary>What is seen of slots and tokens: none in a slot while the device is removed, flags as the plan wants them.</summary>
internal static unsafe class Slots
{
    private const int FlagsOffset = 96; // in CK_SLOT_INFO and in CK_TOKEN_INFO alike
    private const int MaxSessionCountOffset = 104; // ulMaxSessionCount of CK_TOKEN_INFO
    private const nuint TokenPresent = 1;

    internal static nuint Ask(Function function, Span<nuint> arguments, Plan plan)
    {
        // CK_BBOOL: only the lowest byte of the register means anything.
        if (function == Function.C_GetSlotList && (byte)arguments[0] != 0 && Device.IsRemoved && arguments[2] != 0)
        {
            *(nuint*)arguments[2] = 0;
            return ReturnCode.Ok;
        }
        var answer = Call.PassOn(function, arguments);
        if (answer != ReturnCode.Ok || arguments[1] == 0)
        {
            return answer;
        }
        var info = (byte*)arguments[1];
        if (function == Function.C_GetSlotInfo && Device.IsRemoved)
        {
            *(nuint*)(info + FlagsOffset) &= ~TokenPresent;
        }
        if (function == Function.C_GetTokenInfo)
        {
            *(nuint*)(info + FlagsOffset) |= (nuint)plan.TokenFlags;
            if (plan.SessionLimit != int.MaxValue)
            {
                *(nuint*)(info + MaxSessionCountOffset) = (nuint)plan.SessionLimit;
            }
        }
        return answer;
    }
}
