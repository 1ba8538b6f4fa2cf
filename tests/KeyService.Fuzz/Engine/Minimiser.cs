namespace KeyService.Fuzz.Engine;

/// <summary>Makes a finding smaller while it stays the same kind of problem: cuts blocks, from large to small, then sets bytes to zero.</summary>
internal static class Minimiser
{
    private const int MaxExecutions = 20_000;

    public static byte[] Minimise(FuzzTarget target, Finding finding)
    {
        int executions = 0;
        byte[] smallest = finding.Input;
        bool Still(byte[] input) =>
            executions++ < MaxExecutions && Examination.Problem(target, input, out _)?.Split('\n', 2)[0] == finding.Kind;

        for (int block = Math.Max(1, smallest.Length / 2); block > 0; block /= 2)
        {
            for (int at = 0; at + block <= smallest.Length;)
            {
                byte[] cut = [.. smallest.AsSpan(0, at), .. smallest.AsSpan(at + block)];
                if (Still(cut))
                {
                    smallest = cut;
                }
                else
                {
                    at += block;
                }
            }
        }
        for (int at = 0; at < smallest.Length; at++)
        {
            byte[] plain = [.. smallest];
            plain[at] = 0;
            smallest = smallest[at] != 0 && Still(plain) ? plain : smallest;
        }
        return smallest;
    }
}
