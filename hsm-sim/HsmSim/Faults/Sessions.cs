using System.Collections.Concurrent;

namespace HsmSim.Faults;

/// <summary>
/// The application's session handles and the real ones behind them. Handles of ours are never given twice in a process, so one that was lost with its
/// device cannot come to mean another session.
/// </summary>
internal static class Sessions
{
    private static readonly ConcurrentDictionary<nuint, (nuint Real, nuint Slot)> Open = new();
    private static readonly Lock Turn = new();
    private static nuint last;
    private static int places;

    /// <summary>Takes a place under the limit, to be filled by <see cref="Add"/> or given back.</summary>
    internal static bool TryReserve(int limit)
    {
        lock (Turn)
        {
            if (places >= limit)
            {
                return false;
            }
            places++;
            return true;
        }
    }

    internal static void GiveBack()
    {
        lock (Turn)
        {
            places = int.Max(places - 1, 0);
        }
    }

    internal static nuint Add(nuint real, nuint slot)
    {
        lock (Turn)
        {
            Open[++last] = (real, slot);
            return last;
        }
    }

    internal static bool TryGetReal(nuint session, out nuint real)
    {
        var found = Open.TryGetValue(session, out var entry);
        real = entry.Real;
        return found;
    }

    internal static void Remove(nuint session)
    {
        if (Open.TryRemove(session, out _))
        {
            GiveBack();
        }
    }

    internal static void RemoveOfSlot(nuint slot)
    {
        foreach (var (session, entry) in Open)
        {
            if (entry.Slot == slot)
            {
                Remove(session);
            }
        }
    }

    /// <summary>All of them are gone. Returns the slots that had some.</summary>
    internal static IReadOnlyCollection<nuint> Clear()
    {
        lock (Turn)
        {
            HashSet<nuint> slots = [.. Open.Values.Select(entry => entry.Slot)];
            Open.Clear();
            places = 0;
            return slots;
        }
    }
}
