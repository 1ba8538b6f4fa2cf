namespace KeyService.Fuzz.Engine;

/// <summary>One execution: the target's own properties, and those common to all.</summary>
internal static class Examination
{
    /// <summary>Null when all held.</summary>
    public static string? Problem(FuzzTarget target, byte[] input, out Outcome outcome)
    {
        outcome = default;
        byte[] before = [.. input];
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            outcome = target.Run(input);
        }
        catch (BrokenPropertyException broken)
        {
            return $"broken: {broken.Message}";
        }
        catch (Exception unexpected)
        {
            return $"unexpected {unexpected.GetType().Name}: {Where(unexpected)}\n{unexpected}";
        }
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        if (allocated > target.AllocatedAtMost + (target.AllocatedPerByte * input.Length))
        {
            return $"allocated out of proportion\n{allocated} bytes for {input.Length}";
        }
        return before.AsSpan().SequenceEqual(input) ? null : "broken: the parser changed its input";
    }

    private static string Where(Exception exception) =>
        exception.StackTrace?.Split('\n').Select(line => line.Trim())
            .FirstOrDefault(line => line.StartsWith("at KeyService.", StringComparison.Ordinal))?.Split(" in ")[0] ?? "nowhere of ours";
}
