using HsmSim.Faults;
using HsmSim.Functions;

namespace HsmSim.Proxy;

/// <summary>The calls after which the module, or a session, lives or does not.</summary>
internal static unsafe class Lifecycle
{
    internal static nuint Initialize(ReadOnlySpan<nuint> arguments, Plan plan)
    {
        if (!RealModule.TryLoad())
        {
            return ReturnCode.GeneralError;
        }
        var answer = RealModule.Invoke(Function.C_Initialize, arguments);
        if (answer == ReturnCode.Ok)
        {
            Device.Reset(plan);
            RealModule.IsLoaded = true;
        }
        return answer;
    }

    /// <summary>The application has ended its calls before it finalises; the gate would only wait for one that hangs.</summary>
    internal static nuint Finalize(ReadOnlySpan<nuint> arguments)
    {
        var answer = RealModule.Invoke(Function.C_Finalize, arguments);
        if (answer == ReturnCode.Ok)
        {
            RealModule.IsLoaded = false;
            Sessions.Clear();
        }
        return answer;
    }

    internal static nuint OpenSession(Span<nuint> arguments, int limit)
    {
        var slot = arguments[0];
        var handle = (nuint*)arguments[4];
        if (handle == null)
        {
            return ReturnCode.ArgumentsBad;
        }
        if (!Sessions.TryReserve(limit))
        {
            return ReturnCode.SessionCount;
        }
        CallGate.Enter();
        try
        {
            nuint real = 0;
            arguments[4] = (nuint)(&real);
            var answer = Device.Answer(Function.C_OpenSession);
            if (answer == ReturnCode.Ok)
            {
                answer = RealModule.Invoke(Function.C_OpenSession, arguments);
            }
            if (answer == ReturnCode.Ok)
            {
                *handle = Sessions.Add(real, slot);
            }
            else
            {
                Sessions.GiveBack();
            }
            return answer;
        }
        finally
        {
            CallGate.Exit();
        }
    }

    internal static nuint CloseSession(Span<nuint> arguments)
    {
        var session = arguments[0];
        var answer = Call.PassOn(Function.C_CloseSession, arguments);
        if (answer == ReturnCode.Ok)
        {
            Sessions.Remove(session);
        }
        return answer;
    }

    internal static nuint CloseAllSessions(Span<nuint> arguments)
    {
        var answer = Call.PassOn(Function.C_CloseAllSessions, arguments);
        if (answer == ReturnCode.Ok)
        {
            Sessions.RemoveOfSlot(arguments[0]);
        }
        return answer;
    }
}
