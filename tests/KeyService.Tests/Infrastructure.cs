namespace KeyService.Tests;

/// <summary>What a test needs and a machine may lack: skipped on a laptop, a failure where CI=true.</summary>
internal static class Infrastructure
{
    internal static void Require(bool available, string what)
    {
        if (available)
        {
            return;
        }
        if (string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.OrdinalIgnoreCase))
        {
            Assert.Fail($"Needs {what}, which a build server must have.");
        }
        Assert.Skip($"Needs {what}.");
    }
}
