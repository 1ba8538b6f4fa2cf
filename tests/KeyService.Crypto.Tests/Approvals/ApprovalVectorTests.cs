using System.Text.Json.Nodes;
using KeyService.Crypto.Approvals;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Approvals;

/// <summary>docs/spec/approvals.md.</summary>
public sealed class ApprovalVectorTests
{
    private const string File = "approvals.json";

    [Fact]
    public void Requests_parse_are_written_again_and_have_their_digest()
    {
        foreach (JsonObject vector in Vectors.List(File, "requests"))
        {
            Assert.True(ApprovalRequest.TryParse(vector.Bytes("encoded"), out ApprovalRequest? request), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), request!.ToArray());
            Assert.Equal(vector.Bytes("digest"), request.Digest);
            ApprovalRequest again = ApprovalRequest.Create(
                request.Installation.Span, request.Roster.Span, request.Method, request.Requester, request.Created, request.Expires, request.Nonce.Span, request.Parameters);
            Assert.Equal(vector.Bytes("encoded"), again.ToArray());
        }
        Assert.All(Vectors.List(File, "notRequests"), vector => Assert.False(ApprovalRequest.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Values_are_escaped() => Assert.All(Vectors.List(File, "values"), vector =>
    {
        byte[] text = Request("reason", vector.Text("value")).ToArray();
        Assert.EndsWith($"\nreason {vector.Text("escaped")}\n", System.Text.Encoding.ASCII.GetString(text), StringComparison.Ordinal);
        Assert.True(ApprovalRequest.TryParse(text, out ApprovalRequest? parsed));
        Assert.Equal(vector.Text("value"), parsed!.Parameters[0].Value);
    });

    [Theory]
    [InlineData("reason", "\ufffd")]
    [InlineData("reason", "a\ud800")]
    [InlineData("Reason", "a")]
    [InlineData("", "a")]
    public void What_has_no_form_is_refused(string name, string value) => Assert.Throws<ArgumentException>(() => Request(name, value));

    [Fact]
    public void Approvals_parse_and_verify_by_the_key_that_signed()
    {
        foreach (JsonObject vector in Vectors.List(File, "approvals"))
        {
            Assert.True(Approval.TryParse(vector.Bytes("encoded"), out Approval? approval), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), approval!.ToArray());
            string[] verifies = [.. vector["verifies"]!.AsArray().Select(name => name!.GetValue<string>())];
            Assert.Equal(verifies, Keys().Where(key => approval.Verifies(key.Key)).Select(key => key.Name));
        }
        Assert.All(Vectors.List(File, "notApprovals"), vector => Assert.False(Approval.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Rosters_parse_and_have_their_hash()
    {
        foreach (JsonObject vector in Vectors.List(File, "rosters"))
        {
            Assert.True(SignedRoster.TryParse(vector.Bytes("encoded"), out SignedRoster? signed), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), signed!.ToArray());
            Assert.Equal(vector.Bytes("hash"), signed.Roster.Hash);
            Assert.Equal(vector.Number("quorum"), signed.Roster.Quorum.Required);
            Assert.Equal(vector["officers"]!.AsArray().Select(name => name!.GetValue<string>()), signed.Roster.Officers.Select(officer => officer.Id));
        }
        Assert.All(Vectors.List(File, "notRosters"), vector => Assert.False(SignedRoster.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void Chains_hold_or_break_where_they_say() => Assert.All(Vectors.List(File, "chains"), vector =>
    {
        RosterChain? chain = RosterChain.Verify(vector["rosters"]!.AsArray().Select(Roster), out RosterFinding finding, out int sequence);
        Assert.Equal((vector.Text("finding"), vector.Number("sequence")), (finding.ToString(), sequence));
        Assert.Equal(finding == RosterFinding.Valid, chain is not null);
    });

    [Fact]
    public void Exports_are_judged()
    {
        foreach (JsonObject vector in Vectors.List(File, "exports"))
        {
            Assert.True(ApprovalExport.TryParse(vector.Bytes("encoded"), out ApprovalExport? export), vector.Text("name"));
            Assert.Equal(vector.Bytes("encoded"), export!.ToArray());
            RosterChain chain = RosterChain.Verify(export.Rosters, out _, out _)!;
            ApprovalVerdict verdict = ApprovalVerdict.Of(export.Request, chain, export.Approvals);
            Assert.Equal((vector.Text("name"), vector.Text("verdict")), (vector.Text("name"), verdict.Finding.ToString()));
            Assert.Equal(vector["worth"]!.AsArray().Select(each => each!.GetValue<string>()), verdict.Approvals.Select(each => each.Finding.ToString()));
        }
        Assert.All(Vectors.List(File, "notExports"), vector => Assert.False(ApprovalExport.TryParse(vector.Bytes("encoded"), out _), vector.Text("name")));
    }

    [Fact]
    public void A_quorum_below_two_cannot_be_held()
    {
        Assert.Equal(2, default(Quorum).Required);
        Assert.Equal([2, 3, 64], new[] { -1, 0, 1, 2, 3, 64, 65, 258, int.MaxValue }.Where(each => Quorum.TryOf(each, out Quorum quorum) && quorum.Required == each));
        Assert.Equal(2, new Quorum().Required);
    }

    private static ApprovalRequest Request(string name, string value) => ApprovalRequest.Create(
        new byte[16], new byte[32], "a.B/C", "alice", DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddHours(1), new byte[32], [new RequestParameter(name, value)]);

    private static IEnumerable<(string Name, byte[] Key)> Keys() =>
        Vectors.Load(File)["keys"]!.AsObject().Select(key => (key.Key, Convert.FromHexString(key.Value!.GetValue<string>())));

    private static SignedRoster Roster(JsonNode? hex) =>
        SignedRoster.TryParse(Convert.FromHexString(hex!.GetValue<string>()), out SignedRoster? roster) ? roster! : throw new InvalidOperationException("A vector's roster does not parse.");
}
