using System.Text.Json.Nodes;
using KeyService.Server.Access;
using KeyService.Server.AccessReviews;

namespace KeyService.Tests.AccessReviews;

/// <summary>What a principal holds, as docs/spec/access-review.md has it: the vectors.</summary>
public sealed class AccessStatementTests
{
    [Fact]
    public void Statements_are_those_of_the_vectors()
    {
        var vectors = JsonNode.Parse(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "tests", "vectors", "access-review.json")))!["statements"]!.AsArray();
        Assert.NotEmpty(vectors);
        foreach (var vector in vectors)
        {
            var principal = new Principal
            {
                Name = Text(vector!, "principal"),
                Type = Enum.GetValues<PrincipalType>().Single(each => PrincipalTypes.NameOf(each) == Text(vector!, "type")),
                Credential = new Credential(
                    Enum.GetValues<CredentialKind>().Single(each => KebabName.Of(each.ToString()) == Text(vector!, "credentialKind")), Text(vector!, "credential")),
                Disabled = false, CreateTime = DateTimeOffset.UnixEpoch, Revision = 1,
            };
            var grants = vector!["grants"]!.AsArray().Select(grant => new GrantRow
            {
                Id = unchecked((long)Convert.ToUInt64(Text(grant!, "id"), 16)), Principal = principal.Name, Permissions = Text(grant!, "permissions"), KeyPattern = Text(grant!, "keyPattern"),
                ContextConstraint = Convert.FromHexString(Text(grant!, "contextConstraint")), ExpiresAt = grant!["expires"]?.GetValue<long>(), Revision = 1,
            }.ToGrant()).ToList();

            Assert.Equal(Text(vector!, "text"), AccessStatement.TextOf(principal, grants, DateTimeOffset.UnixEpoch));
            Assert.Equal(Text(vector!, "sha256"), Convert.ToHexStringLower(AccessStatement.DigestOf(principal, grants, DateTimeOffset.UnixEpoch)));
        }
    }

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();
}
