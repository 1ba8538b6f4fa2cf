using HsmSim.Control;

namespace HsmSim.Faults;

/// <summary>Counts the calls that are inside the real module, and keeps them out while its sessions are closed from outside: SoftHSM crashes otherwise.</summary>
internal static class CallGate
{
    private static readonly TimeSpan Step = TimeSpan.FromMicroseconds(50);
    private static int inside;
    private static volatile bool closed;

    internal static void Enter()
    {
        while (true)
        {
            while (closed)
            {
                Native.Sleep(Step);
            }
            Interlocked.Increment(ref inside);
            if (!closed)
            {
                return;
            }
            Interlocked.Decrement(ref inside);
        }
    }

    internal static void Exit() => Interlocked.Decrement(ref inside);

    /// <summary>Runs with nobody inside. The caller is not inside and holds the lock of the control file, so there is one at a time.</summary>
    internal static void Alone(Action work)
    {
        closed = true;
        try
        {
            while (Volatile.Read(ref inside) > 0)
            {
                Native.Sleep(Step);
            }
            work();
        }
        finally
        {
            closed = false;
        }
    }
}
