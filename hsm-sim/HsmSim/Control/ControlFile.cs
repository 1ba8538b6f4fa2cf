using HsmSim.Faults;

namespace HsmSim.Control;

/// <summary>
/// The file HSMSIM_CONTROL. Every call looks whether it changed (one statx, about a microsecond), so what a test has written holds for the very next call.
/// A file that cannot be used is reported once and leaves the last good one in force; no file is no faults.
/// </summary>
internal static class ControlFile
{
    private static readonly Lock Turn = new();
    private static string? path;
    private static volatile State state = new(null, Plan.Empty);
    private static Dictionary<string, Rule> rules = [];

    /// <summary>Looks for the file's name anew; at each C_Initialize.</summary>
    internal static void Locate()
    {
        lock (Turn)
        {
            var named = Native.Environment("HSMSIM_CONTROL");
            if (named != path)
            {
                path = named;
                rules = [];
                state = new State(null, Plan.Empty);
            }
        }
    }

    /// <summary>The plan in force now.</summary>
    internal static Plan Current()
    {
        if (path is not { } file)
        {
            return Plan.Empty;
        }
        FileStamp? stamp = Native.TryGetStamp(file, out var found) ? found : null;
        var seen = state;
        if (stamp == seen.Stamp)
        {
            return seen.Plan;
        }
        lock (Turn)
        {
            if (state == seen && path == file)
            {
                state = new State(stamp, stamp is null ? Clear() : Read(file, seen.Plan));
                Counters.Follow(state.Plan.CounterFile);
                Device.Follow(state.Plan);
            }
            return state.Plan;
        }
    }

    private static Plan Clear()
    {
        rules = [];
        return Plan.Empty;
    }

    private static Plan Read(string file, Plan last)
    {
        try
        {
            (var plan, rules) = ControlParser.Parse(File.ReadAllText(file), rules);
            return plan;
        }
        catch (Exception exception) when (exception is ControlException or IOException or UnauthorizedAccessException)
        {
            Log.Write($"{file}: {exception.Message}; what was read before stays in force");
            return last;
        }
    }

    private sealed record State(FileStamp? Stamp, Plan Plan);
}
