using System.Globalization;
using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto.AccessReviews;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Grant = KeyService.Server.Access.Grant;
using Principal = KeyService.Server.Access.Principal;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.AccessReviews;

/// <summary>Between access_reviews.proto and the rows. What breaks a rule of the message is refused with the field's name.</summary>
internal static class AccessReviewMessages
{
    private const int IdLength = 16;
    private const int MaxRoster = 20_000;

    public static AccessReview ToMessage(this AccessReviewRow row, ReviewCounts counts) => new()
    {
        Id = row.IdText,
        StartedBy = row.StartedBy,
        StartTime = row.StartTime.ToTimestamp(),
        DueTime = row.DueTime.ToTimestamp(),
        EndTime = row.EndTime?.ToTimestamp(),
        RosterSha256 = ByteString.CopyFrom(row.RosterSha256),
        Open = row.IsOpen,
        CloseTime = TimeOf(row.ClosedAt),
        ClosedBy = row.ClosedBy ?? "",
        Principals = counts.Principals,
        Pending = counts.Pending,
        Kept = counts.Kept,
        Suspended = counts.Suspended,
        Orphans = counts.Orphans,
    };

    /// <param name="item">The item.</param>
    /// <param name="review">Its review.</param>
    /// <param name="snapshot">Who may what now: shown of what is pending, and of what was kept while it is still the same.</param>
    public static AccessReviewItem ToMessage(this ReviewedPrincipal item, AccessReviewRow review, AccessSnapshot snapshot, DateTimeOffset now)
    {
        var message = new AccessReviewItem
        {
            ReviewId = review.IdText,
            Principal = item.Name,
            PrincipalType = (Wire.PrincipalType)item.Entry.Type,
            Manager = item.Manager,
            Finding = (AccessReviewFinding)item.Entry.Finding,
            Verdict = (AccessReviewVerdict)item.Verdict,
            AttestedBy = item.Row?.DecidedBy ?? "",
            VerdictTime = TimeOf(item.Row?.DecidedAt),
            Note = item.Row?.Note ?? "",
            AccessDigest = ByteString.CopyFrom(item.Row?.AccessSha256 ?? []),
        };
        if (item.Verdict is ReviewVerdict.Pending or ReviewVerdict.Keep && snapshot.Principals.TryGetValue(item.Name, out var principal))
        {
            var grants = AccessStatement.InForce(principal, snapshot.GrantsOf(item.Name), now);
            var digest = AccessStatement.DigestOf(principal, grants, now);
            if (item.IsPending)
            {
                message.AccessDigest = ByteString.CopyFrom(digest);
            }

            // Beside a manager's word stands what it was given for, or nothing.
            if (message.AccessDigest.Span.SequenceEqual(digest) && !principal.Disabled)
            {
                message.Grants.AddRange(grants.Select(grant => grant.ToMessage()));
            }
        }

        return message;
    }

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static IReadOnlyList<RosterLine> RosterOf(StartAccessReviewRequest request)
    {
        if (request.Roster.Count > MaxRoster)
        {
            throw Refusal.InvalidArgument("roster", $"must have at most {MaxRoster} entries");
        }

        var lines = new List<RosterLine>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in request.Roster)
        {
            var field = $"roster[{lines.Count}]";
            if (!Principal.IsName(entry.Principal) || !seen.Add(entry.Principal))
            {
                throw Refusal.InvalidArgument($"{field}.principal", "must be a principal's name, none twice");
            }

            if (entry.Manager.Length > 0 && !Principal.IsName(entry.Manager))
            {
                throw Refusal.InvalidArgument($"{field}.manager", "must be a principal's name, or empty");
            }

            lines.Add(new RosterLine(entry.Principal, entry.Manager, entry.LeftTime is null ? null : TimeOf(entry.LeftTime, $"{field}.left_time")));
        }

        return lines;
    }

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static byte[] RosterDigestOf(StartAccessReviewRequest request) => request.RosterSha256.Length == SHA256.HashSizeInBytes
        ? request.RosterSha256.ToByteArray() : throw Refusal.InvalidArgument("roster_sha256", "must be the list's SHA-256, 32 bytes");

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static DateTimeOffset DueTimeOf(StartAccessReviewRequest request) =>
        TimeOf(request.DueTime ?? throw Refusal.InvalidArgument("due_time", "is missing"), "due_time");

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static ReviewVerdict VerdictOf(AttestAccessRequest request) => (ReviewVerdict)request.Verdict switch
    {
        var verdict and (ReviewVerdict.Keep or ReviewVerdict.Suspend) => verdict,
        _ => throw Refusal.InvalidArgument("verdict", "must be KEEP or SUSPEND"),
    };

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static string NoteOf(AttestAccessRequest request)
    {
        if (request.Note.Length == 0)
        {
            return VerdictOf(request) == ReviewVerdict.Keep ? "" : throw Refusal.InvalidArgument("note", "must say why, when a principal is suspended");
        }

        return TextOf(request.Note, "note");
    }

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static string TextOf(string text, string field) => AccessReviewEntry.IsNote(text) && !string.IsNullOrWhiteSpace(text)
        ? text : throw Refusal.InvalidArgument(field, $"must be 1 to {AccessReviewEntry.MaxNoteLength} bytes without control characters; no patient data");

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static long? IdOf(string id) => id.Length == 0 ? null
        : id.Length == IdLength && long.TryParse(id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
            ? number : throw Refusal.InvalidArgument("review_id", "must be 16 hexadecimal digits, or empty");

    // The latest that a column's nanoseconds reach is 2262.
    private static DateTimeOffset TimeOf(Timestamp time, string field) => time is { Seconds: > 0 and < 9_000_000_000, Nanos: >= 0 and < 1_000_000_000 }
        ? time.ToDateTimeOffset() : throw Refusal.InvalidArgument(field, "must be a time after 1970 and before 2255");

    private static Timestamp? TimeOf(long? nanoseconds) => nanoseconds is { } some ? UnixTime.FromNanoseconds(some).ToTimestamp() : null;
}
