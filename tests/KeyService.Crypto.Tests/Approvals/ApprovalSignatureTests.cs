using System.Security.Cryptography;
using KeyService.Crypto.Approvals;

namespace KeyService.Tests.Approvals;

/// <summary>Documents that are made and signed here, and bits of them turned.</summary>
public sealed class ApprovalSignatureTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 10, 0, 0, TimeSpan.Zero);
    private static readonly byte[] Installation = RandomNumberGenerator.GetBytes(16);
    private readonly ECDsa[] _keys = [.. Enumerable.Range(0, 4).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256))];

    [Fact]
    public void What_a_key_signs_verifies_whichever_s_it_gave()
    {
        for (int i = 0; i < 40; i++)
        {
            Approval approval = Approval.Sign(RandomNumberGenerator.GetBytes(32), "officer-0", ApprovalDecision.Approve, Start, Signs(0));
            Assert.True(approval.Verifies(_keys[0].ExportSubjectPublicKeyInfo()));
            Assert.False(approval.Verifies(_keys[1].ExportSubjectPublicKeyInfo()));
        }
    }

    [Fact]
    public void A_signature_of_another_length_is_refused() => Assert.Throws<ArgumentException>(
        () => Approval.Sign(new byte[32], "officer-0", ApprovalDecision.Approve, Start, text => _keys[0].SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)));

    [Fact]
    public void A_turned_bit_in_any_byte_of_an_export_leaves_it_unread_broken_or_not_granted()
    {
        var (chain, export) = Granted();
        Assert.Equal(VerdictFinding.Granted, ApprovalVerdict.Of(export.Request, chain, export.Approvals).Finding);
        byte[] bytes = export.ToArray();
        for (int at = 0; at < bytes.Length; at++)
        {
            bytes[at] ^= (byte)(1 << (at % 7));
            if (ApprovalExport.TryParse(bytes, out ApprovalExport? read) && RosterChain.Verify(read!.Rosters, out _, out _) is { } verified)
            {
                Assert.NotEqual(VerdictFinding.Granted, ApprovalVerdict.Of(read.Request, verified, read.Approvals).Finding);
            }
            bytes[at] ^= (byte)(1 << (at % 7));
        }
    }

    [Fact]
    public void A_renewed_key_ends_the_old_one_for_requests_of_the_next_roster()
    {
        var (chain, _) = Granted();
        Roster next = Roster.Create(
            Installation, chain.Newest, Start.AddDays(1), default, [OfficerOf(0), OfficerOf(1), new Officer("officer-2", _keys[3].ExportSubjectPublicKeyInfo())]);
        SignedRoster signed = SignedRoster.Of(next).Sign(accepts: true, "officer-2", Signs(3)).Sign(accepts: false, "officer-0", Signs(0)).Sign(accepts: false, "officer-1", Signs(1));
        RosterChain longer = chain.With(signed, out RosterFinding finding)!;
        Assert.Equal(RosterFinding.Valid, finding);
        ApprovalRequest request = RequestUnder(next, Start.AddDays(1));
        Approval[] approvals =
        [
            Approval.Sign(request.Digest, "officer-0", ApprovalDecision.Approve, Start.AddDays(1), Signs(0)),
            Approval.Sign(request.Digest, "officer-2", ApprovalDecision.Approve, Start.AddDays(1), Signs(2)),
        ];
        Assert.Equal(ApprovalFinding.WrongSignature, ApprovalVerdict.Of(request, longer, approvals).Approvals[1].Finding);
        approvals[1] = Approval.Sign(request.Digest, "officer-2", ApprovalDecision.Approve, Start.AddDays(1), Signs(3));
        Assert.Equal(VerdictFinding.Granted, ApprovalVerdict.Of(request, longer, approvals).Finding);
    }

    [Fact]
    public void Signatures_of_two_copies_come_together()
    {
        Roster roster = Roster.Create(Installation, null, Start, default, [OfficerOf(0), OfficerOf(1)]);
        SignedRoster one = SignedRoster.Of(roster).Sign(true, "officer-1", Signs(1));
        SignedRoster two = SignedRoster.Of(roster).Sign(true, "officer-0", Signs(0));
        SignedRoster both = one.With(two);
        Assert.Equal(["officer-0", "officer-1"], both.Signatures.Select(each => each.Officer));
        Assert.True(SignedRoster.TryParse(both.ToArray(), out SignedRoster? read) && RosterChain.Verify([read!], out _, out _) is not null);
        Roster other = Roster.Create(Installation, null, Start.AddSeconds(1), default, [OfficerOf(0), OfficerOf(1)]);
        Assert.Throws<ArgumentException>(() => one.With(SignedRoster.Of(other)));
    }

    [Fact]
    public void A_roster_with_one_key_for_two_officers_cannot_be_made() => Assert.Throws<ArgumentException>(
        () => Roster.Create(Installation, null, Start, default, [OfficerOf(0), new Officer("officer-1", _keys[0].ExportSubjectPublicKeyInfo())]));

    public void Dispose()
    {
        foreach (ECDsa key in _keys)
        {
            key.Dispose();
        }
    }

    private (RosterChain Chain, ApprovalExport Export) Granted()
    {
        Roster roster = Roster.Create(Installation, null, Start, default, [OfficerOf(0), OfficerOf(1), OfficerOf(2)]);
        SignedRoster signed = Enumerable.Range(0, 3).Aggregate(SignedRoster.Of(roster), (each, i) => each.Sign(true, $"officer-{i}", Signs(i)));
        ApprovalRequest request = RequestUnder(roster, Start);
        Approval[] approvals = [.. Enumerable.Range(0, 2).Select(i => Approval.Sign(request.Digest, $"officer-{i}", ApprovalDecision.Approve, Start, Signs(i)))];
        return (RosterChain.Verify([signed], out _, out _)!, new ApprovalExport([signed], request, approvals));
    }

    private static ApprovalRequest RequestUnder(Roster roster, DateTimeOffset created) => ApprovalRequest.Create(
        Installation, roster.Hash, "keyservice.v1.Destructions/ScheduleDestruction", "asks", created, created.AddDays(3), RandomNumberGenerator.GetBytes(32), [new RequestParameter("key", "lab/results")]);

    private Officer OfficerOf(int index) => new($"officer-{index}", _keys[index].ExportSubjectPublicKeyInfo());

    private Func<byte[], byte[]> Signs(int index) =>
        text => _keys[index].SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
}
