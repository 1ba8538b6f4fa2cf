using HsmSim.Functions;
using HsmSim.Proxy;

namespace HsmSim.Faults;

/// <summary>The state of the simulated device: there or not, the same life or not.</summary>
internal static class Device
{
    private static long restarts;
    private static long disconnects;
    private static volatile bool removed;
    private static volatile bool restarted;

    /// <summary>A new life of the module: what the plan counts so far is the past.</summary>
    internal static void Reset(Plan plan) => (restarts, disconnects, removed, restarted) = (plan.Restart, plan.Disconnect, plan.TokenRemoved, false);

    /// <summary>Does what a plan asks for that differs from the one before. The caller is not inside the real module.</summary>
    internal static void Follow(Plan plan)
    {
        var losesSessions = plan.Disconnect > disconnects || (plan.TokenRemoved && !removed);
        var isRestart = plan.Restart > restarts;
        (restarts, disconnects, removed) = (plan.Restart, plan.Disconnect, plan.TokenRemoved);
        if (isRestart)
        {
            restarted = true;
            Sessions.Clear(); // the real ones end with the C_Finalize that the application must now call
        }
        if (losesSessions)
        {
            LoseSessions();
        }
    }

    /// <summary>What the device's state answers to a call; OK when it goes on to the module.</summary>
    internal static nuint Answer(Function function) => FunctionReach.Of(function) switch
    {
        Reach.Token => restarted ? ReturnCode.DeviceRemoved : removed ? ReturnCode.TokenNotPresent : ReturnCode.Ok,
        Reach.Session => restarted ? ReturnCode.SessionHandleInvalid : removed ? ReturnCode.DeviceRemoved : ReturnCode.Ok,
        _ => ReturnCode.Ok,
    };

    internal static bool IsRemoved => removed;

    /// <summary>Sessions, login and session objects end, in the real module too; new sessions can be opened.</summary>
    private static void LoseSessions() => CallGate.Alone(static () =>
    {
        foreach (var slot in Sessions.Clear())
        {
            if (RealModule.IsLoaded)
            {
                _ = RealModule.Invoke(Function.C_CloseAllSessions, [slot]);
            }
        }
    });
}
