using System.Security.Cryptography;
using System.Text.RegularExpressions;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;

namespace KeyService.Tests.Sessions;

public sealed partial class SeedVaultTests
{
    private static readonly byte[] IntegrityKey = Convert.FromHexString("1963d554a5b687e874515f2a370e44fea2a6bee3e83d1766ff7bf1297a94e5c4");

    /// <summary>The example of docs/spec/second-factor.md, made by another program from the text alone.</summary>
    [Fact]
    public async Task The_worked_example_of_the_specification_opens()
    {
        var spec = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs/spec/second-factor.md"));
        var box = Convert.FromHexString(Stored().Match(spec).Groups[1].Value.Replace(" ", "", StringComparison.Ordinal));
        var vault = new SeedVault(
            new RowAuthenticator((row, _) => ValueTask.FromResult(HMACSHA256.HashData(IntegrityKey, row.Span))), [.. Enumerable.Range(0, 16).Select(i => (byte)i)]);
        using var seed = await vault.OpenAsync(box, "ada", new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero));
        Assert.Equal("12345678901234567890"u8.ToArray(), seed.DangerousSpan.ToArray());
    }

    [GeneratedRegex("\nseed  ([0-9a-f ]+)\n")]
    private static partial Regex Stored();
}
