using HsmSim.Control;
using HsmSim.Faults;
using HsmSim.Functions;

namespace HsmSim.Proxy;

/// <summary>
/// The way of a call: counted, delayed, held, refused by rule, answered by the device's state, or passed on. No exception leaves it: the caller is C.
/// </summary>
internal static unsafe class Call
{
    private static readonly TimeSpan HangStep = TimeSpan.FromMilliseconds(2);

    internal static nuint Run(
        Function function, nuint a, nuint b = 0, nuint c = 0, nuint d = 0, nuint e = 0, nuint f = 0, nuint g = 0, nuint h = 0)
    {
        try
        {
            return Run(function, [a, b, c, d, e, f, g, h]);
        }
        catch (Exception exception)
        {
            Log.Write($"{function}: {exception.GetType().Name}: {exception.Message}");
            return ReturnCode.GeneralError;
        }
    }

    private static nuint Run(Function function, Span<nuint> arguments)
    {
        if (function == Function.C_Initialize)
        {
            ControlFile.Locate();
        }
        else if (!RealModule.IsLoaded)
        {
            return ReturnCode.CryptokiNotInitialized;
        }
        var plan = ControlFile.Current();
        Counters.Count(function);
        Native.Sleep(plan.LatencyOf(function));
        if (plan.Take(function, RuleKind.Hang) is { } hang)
        {
            while ((plan = ControlFile.Current()).Holds(hang))
            {
                Native.Sleep(HangStep);
            }
        }
        if (plan.Take(function, RuleKind.Fail) is { } failure)
        {
            return failure.Code;
        }
        var answer = function switch
        {
            Function.C_Initialize => Lifecycle.Initialize(arguments, plan),
            Function.C_Finalize => Lifecycle.Finalize(arguments),
            Function.C_OpenSession => Lifecycle.OpenSession(arguments, plan.SessionLimit),
            Function.C_CloseSession => Lifecycle.CloseSession(arguments),
            Function.C_CloseAllSessions => Lifecycle.CloseAllSessions(arguments),
            Function.C_GetSlotList or Function.C_GetSlotInfo or Function.C_GetTokenInfo => Slots.Ask(function, arguments, plan),
            Function.C_WaitForSlotEvent => RealModule.Invoke(function, arguments), // may block for ever: not counted as inside
            _ => PassOn(function, arguments),
        };
        if (answer == ReturnCode.Ok && plan.Take(function, RuleKind.Spoil) is not null)
        {
            Spoil(function, arguments);
        }
        return answer;
    }

    /// <summary>Calls the real module, with the real session's handle in the place of ours.</summary>
    internal static nuint PassOn(Function function, Span<nuint> arguments)
    {
        CallGate.Enter();
        try
        {
            // Both are asked inside the gate: device or session may have been lost while the call waited there.
            var answer = Device.Answer(function);
            if (answer != ReturnCode.Ok)
            {
                return answer;
            }
            if (FunctionReach.Of(function) == Reach.Session)
            {
                if (!Sessions.TryGetReal(arguments[0], out var real))
                {
                    return ReturnCode.SessionHandleInvalid;
                }
                arguments[0] = real;
            }
            return RealModule.Invoke(function, arguments);
        }
        finally
        {
            CallGate.Exit();
        }
    }

    private static void Spoil(Function function, ReadOnlySpan<nuint> arguments)
    {
        var place = FunctionReach.ResultArgument(function);
        if (place >= 0 && arguments[place] != 0)
        {
            *(byte*)arguments[place] ^= 1;
        }
    }
}
