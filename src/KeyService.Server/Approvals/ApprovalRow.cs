using System.Globalization;
using KeyService.Crypto.Approvals;
using KeyService.Server.Access;

namespace KeyService.Server.Approvals;

/// <summary>A row of <c>approvals</c> whose MAC was verified when it was read.</summary>
/// <param name="Message">The call's message, as it came.</param>
/// <param name="Decisions">What officers said, in the order in which it came; each counted when it came.</param>
/// <param name="DecideTime">The latest time of a decision, by whichever clock is ahead; null before the first.</param>
internal sealed record ApprovalRow(
    ulong Id, ApprovalRequest Request, byte[] Message, IReadOnlyList<Approval> Decisions, ApprovalState State, DateTimeOffset? DecideTime,
    long Revision)
{
    public string IdText => TextOf(Id);

    public static string TextOf(ulong id) => id.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Officers who approved and are not disabled now.</summary>
    public IReadOnlyList<string> Approving(AccessSnapshot access) =>
    [
        .. Decisions.Where(each => each.Decision == ApprovalDecision.Approve && access.Principals.TryGetValue(each.Officer, out var officer)
        && !officer.Disabled)
            .Select(each => each.Officer).Distinct(StringComparer.Ordinal),
    ];

    /// <summary>Whether it can still be decided or used: not done, not rejected, in time, under the roster that is in force.</summary>
    public bool IsOpen(DateTimeOffset now, Roster? inForce) => State is ApprovalState.Pending or ApprovalState.Approved && now < Request.Expires
        && inForce is not null && Request.Roster.Span.SequenceEqual(inForce.Hash);
}
