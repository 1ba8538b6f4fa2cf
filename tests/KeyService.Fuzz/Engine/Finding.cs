namespace KeyService.Fuzz.Engine;

/// <summary>An input that breaks a rule, and how to meet it again.</summary>
internal sealed record Finding(string Target, ulong Seed, long Execution, byte[] Input, string Problem)
{
    public override string ToString() =>
        $"{Target}, seed {Seed}, execution {Execution}: {Problem}\ninput ({Input.Length} bytes): {Convert.ToHexStringLower(Input)}";

    /// <summary>The kind of problem, without what differs from input to input: what a smaller input must have in common.</summary>
    public string Kind => Problem.Split('\n', 2)[0];
}
