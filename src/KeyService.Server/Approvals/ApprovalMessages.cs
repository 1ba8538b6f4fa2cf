using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto.Approvals;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Approvals;

/// <summary>From rows to the messages of approvals.proto.</summary>
internal static class ApprovalMessages
{
    /// <param name="chain">For the quorum; null shows none.</param>
    public static Wire.Approval ToWire(this ApprovalRow row, RosterChain? chain, DateTimeOffset now)
    {
        var isOver = row.State is ApprovalState.Pending or ApprovalState.Approved && !row.IsOpen(now, chain?.InForce(now));
        var message = new Wire.Approval
        {
            Id = row.IdText,
            State = isOver ? Wire.ApprovalState.Expired : (Wire.ApprovalState)row.State,
            Method = row.Request.Method,
            Requester = row.Request.Requester,
            CreateTime = Timestamp.FromDateTimeOffset(row.Request.Created),
            ExpireTime = Timestamp.FromDateTimeOffset(row.Request.Expires),
            Quorum = chain?.Find(row.Request.Roster.Span)?.Roster.Quorum.Required ?? 0,
            Revision = row.Revision,
        };
        message.ApprovedBy.AddRange(OfficersOf(row, ApprovalDecision.Approve));
        message.RejectedBy.AddRange(OfficersOf(row, ApprovalDecision.Reject));
        return message;
    }

    private static IEnumerable<string> OfficersOf(ApprovalRow row, ApprovalDecision decision) =>
        row.Decisions.Where(each => each.Decision == decision).Select(each => each.Officer);
}
