using KeyService.Cli.Output;
using KeyService.Crypto.Approvals;

namespace KeyService.Cli.Approvals;

/// <summary>How requests and rosters are shown.</summary>
internal static class ApprovalRecords
{
    public static Record Of(Protocol.V1.Approval approval) => new Record
    {
        ["id"] = approval.Id,
        ["state"] = EnumNames.Of(approval.State),
        ["method"] = approval.Method,
        ["requester"] = approval.Requester,
        ["expire_time"] = Times.Of(approval.ExpireTime),
        ["approved_by"] = approval.ApprovedBy.ToList(),
        ["quorum"] = (long)approval.Quorum,
    }
    .Detail("rejected_by", approval.RejectedBy.ToList())
    .Detail("create_time", Times.Of(approval.CreateTime))
    .Detail("revision", approval.Revision);

    /// <summary>Everything that a signature covers, as computed here.</summary>
    public static Record Of(ApprovalRequest request, Record? tail = null)
    {
        var record = new Record
        {
            ["what"] = RequestWords.Of(request),
            ["requester"] = request.Requester,
            ["method"] = request.Method,
            ["parameters"] = request.Parameters.Select(each => new Record { ["name"] = each.Name, ["value"] = each.Value }).ToList(),
            ["create_time"] = request.Created,
            ["expire_time"] = request.Expires,
            ["installation"] = Convert.ToHexStringLower(request.Installation.Span),
            ["roster"] = Convert.ToHexStringLower(request.Roster.Span),
            ["nonce"] = Convert.ToHexStringLower(request.Nonce.Span),
            ["digest"] = Convert.ToHexStringLower(request.Digest),
        };
        record.AddRange(tail ?? []);
        return record;
    }

    public static Record Of(ApprovalVerdict verdict) => new()
    {
        ["verdict"] = NameOf(verdict.Finding.ToString()),
        ["approving"] = (long)verdict.Approving,
        ["quorum"] = (long)verdict.Required,
        ["decisions"] = verdict.Approvals.Select(each => new Record
        {
            ["officer"] = each.Approval.Officer,
            ["decision"] = each.Approval.Decision == ApprovalDecision.Approve ? "approve" : "reject",
            ["time"] = each.Approval.Time,
            ["counts"] = NameOf(each.Finding.ToString()),
        }).ToList(),
    };

    public static Record Of(SignedRoster signed) => new()
    {
        ["sequence"] = (long)signed.Roster.Sequence,
        ["hash"] = Convert.ToHexStringLower(signed.Roster.Hash),
        ["installation"] = Convert.ToHexStringLower(signed.Roster.Installation.Span),
        ["valid_from"] = signed.Roster.ValidFrom,
        ["quorum"] = (long)signed.Roster.Quorum.Required,
        ["officers"] = signed.Roster.Officers.Select(officer => new Record
        {
            ["officer"] = officer.Id,
            ["key_sha256"] = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(officer.PublicKey.Span)),
        }).ToList(),
        ["accepted_by"] = signed.Signatures.Where(each => each.Accepts).Select(each => each.Officer).ToList(),
        ["appointed_by"] = signed.Signatures.Where(each => !each.Accepts).Select(each => each.Officer).ToList(),
    };

    /// <summary>"too-few" of "TooFew".</summary>
    public static string NameOf(string name) =>
        string.Concat(name.Select((c, i) => char.IsAsciiLetterUpper(c) ? $"{(i > 0 ? "-" : "")}{char.ToLowerInvariant(c)}" : c.ToString()));
}
