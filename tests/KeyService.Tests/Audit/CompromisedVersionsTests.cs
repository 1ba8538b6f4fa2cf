using KeyService.Crypto;
using KeyService.Server.Audit;

namespace KeyService.Tests.Audit;

/// <summary>The sentence about compromised versions: what the pipeline writes is what detection reads.</summary>
public sealed class CompromisedVersionsTests
{
    [Theory]
    [InlineData(1, "")]
    [InlineData(2, "")]
    [InlineData(50, "3 of 9 items refused; ")]
    [InlineData(51, "")]
    [InlineData(10_000, "3 of 9 items refused; ")]
    public void What_is_said_is_read_again(int count, string before)
    {
        List<KeyVersionId> versions = [.. Enumerable.Range(1, count).Select(i => new KeyVersionId((ulong)i))];
        var detail = before + CompromisedVersions.Say(versions);
        Assert.Equal(versions.Take(CompromisedVersions.MaxNamed), CompromisedVersions.Read(detail));
        Assert.True(detail.Length < AuditRecord.MaxDetailLength);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("compromised: found in a ticket")]
    [InlineData("key version 1122334455667788 is compromised, says somebody")]
    [InlineData("a reason that says key version 1122334455667788 is compromised")]
    [InlineData("key version 112233445566778 is compromised")]
    [InlineData("key version 1122334455667788 is compromised\n")]
    public void Nothing_else_is_taken_for_it(string? detail) => Assert.Empty(CompromisedVersions.Read(detail));
}
