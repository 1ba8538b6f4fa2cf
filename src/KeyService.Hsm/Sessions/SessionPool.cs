using System.Collections.Concurrent;
using KeyService.Hsm.Pkcs11;

namespace KeyService.Hsm.Sessions;

/// <summary>
/// Idle sessions of one attachment. How many are out at once is bounded by the token's permits, so no more than that ever exist; a broken one is
/// closed instead of kept. A token with fewer sessions than permits is no failure: who gets none waits for one of ours to come back.
/// </summary>
internal sealed class SessionPool(Func<HsmSession> open)
{
    /// <summary>A session may also be closed instead of returned, or another application give one up: then opening is what helps.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Waits while none of ours is out: the token's last sessions may be with calls that have just got them, or with a probe. Then there is really none.
    /// </summary>
    private const int WaitsForNobody = 20;

    private readonly ConcurrentStack<HsmSession> idle = new();
    private readonly object returned = new(); // a monitor
    private int rented;
    private int waiting;

    internal HsmSession Rent()
    {
        for (var lonely = 0; ; lonely += Volatile.Read(ref rented) > 0 ? 0 : 1)
        {
            try
            {
                var session = idle.TryPop(out var kept) ? kept : open();
                Interlocked.Increment(ref rented);
                return session;
            }
            catch (HsmException exception) when (ReturnCodes.IsOutOfSessions(exception.ReturnCode) && lonely < WaitsForNobody)
            {
                WaitForReturn();
            }
        }
    }

    internal void Return(HsmSession session)
    {
        if (session.IsBroken)
        {
            session.Close();
        }
        else
        {
            idle.Push(session);
        }
        Interlocked.Decrement(ref rented);
        if (Volatile.Read(ref waiting) > 0)
        {
            lock (returned)
            {
                Monitor.Pulse(returned);
            }
        }
    }

    /// <summary>Closes an idle session, to make room for one of another kind; false when there is none.</summary>
    internal bool TryCloseOne()
    {
        if (!idle.TryPop(out var session))
        {
            return false;
        }
        session.Close();
        return true;
    }

    internal void CloseAll()
    {
        while (TryCloseOne())
        {
        }
    }

    private void WaitForReturn()
    {
        lock (returned)
        {
            waiting++;
            if (idle.IsEmpty)
            {
                Monitor.Wait(returned, LongestWait);
            }
            waiting--;
        }
    }
}
