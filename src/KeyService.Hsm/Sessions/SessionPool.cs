using System.Collections.Concurrent;

namespace KeyService.Hsm.Sessions;

/// <summary>
/// Idle sessions of one attachment. How many are out at once is bounded by the token's permits, so no more than that ever exist; a broken one is
/// closed instead of kept.
/// </summary>
internal sealed class SessionPool(Func<HsmSession> open)
{
    private readonly ConcurrentStack<HsmSession> idle = new();

    internal HsmSession Rent() => idle.TryPop(out var session) ? session : open();

    internal void Return(HsmSession session)
    {
        if (session.IsBroken)
        {
            session.Close();
            return;
        }
        idle.Push(session);
    }

    internal void CloseAll()
    {
        while (idle.TryPop(out var session))
        {
            session.Close();
        }
    }
}
