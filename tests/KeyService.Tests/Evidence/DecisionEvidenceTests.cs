using System.Text;
using KeyService.Protocol.V1;
using KeyService.Server.Evidence;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Evidence;

public sealed class DecisionEvidenceTests
{
    [Fact]
    public void Without_a_file_it_says_that_the_site_has_given_none_and_all_is_undecided()
    {
        var item = new DecisionEvidence(new EvidenceConfiguration(DecisionsFile: null), TimeProvider.System).Collect();
        Assert.StartsWith("The site has given none", item.Shows, StringComparison.Ordinal);
        Assert.Equal(5, Encoding.UTF8.GetString(item.Content).Split("UNDECIDED").Length - 1);
    }

    [Fact]
    public void A_file_that_cannot_be_used_refuses_the_pack() => Assert.Equal(
        Reason.DecisionsUnusable,
        Assert.Throws<Refusal>(() => new DecisionEvidence(new EvidenceConfiguration("/nowhere/decisions.json"), TimeProvider.System).Collect()).Reason);
}
