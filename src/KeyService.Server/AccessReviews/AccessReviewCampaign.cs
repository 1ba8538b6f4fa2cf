using System.Globalization;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Detection;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Server.AccessReviews;

/// <summary>A review as it is about to be closed.</summary>
/// <param name="Review">The open review, as it was read.</param>
/// <param name="Everybody">Everybody in it.</param>
/// <param name="Changes">Of the items' register: as long as it is this, no item was changed since.</param>
/// <param name="ClosedBy">Who closes it before its time; null when it ends by itself.</param>
/// <param name="Note">The signed result; null when somebody is pending.</param>
internal sealed record SignedReview(
    AccessReviewRow Review, IReadOnlyList<ReviewedPrincipal> Everybody, long Changes, DateTimeOffset CloseTime, string? ClosedBy, SignedNote? Note);

/// <summary>
/// What people and the deadline do with a review of access: who may, what must be so, what is written. Nobody attests himself, and who starts a
/// review attests nothing in it. Changes run in the turn of <see cref="AccessAdministration"/>.
/// </summary>
internal sealed class AccessReviewCampaign(
    AccessReviewTable reviews, AccessReviewItemTable items, AccessAdministration administration, AccessRegister register, RowAuthenticator rows)
{
    /// <summary>Principals that are suspended in one change: one record of the log names them all.</summary>
    public const int SuspendedAtOnce = 100;

    private static readonly TimeSpan LeastTime = TimeSpan.FromDays(1);
    private static readonly TimeSpan MostTime = TimeSpan.FromDays(90);

    private readonly AccessRows _access = new(rows);

    /// <summary>Begins a review of everybody who is active.</summary>
    /// <exception cref="Refusal">ALREADY_EXISTS, INVALID_ARGUMENT.</exception>
    public async Task<(AccessReviewRow Review, ReviewScope Scope)> StartAsync(
        IStoreTransaction transaction, string by, IReadOnlyCollection<RosterLine> roster, byte[] rosterSha256, DateTimeOffset due)
    {
        if ((await reviews.ListAsync(transaction.Connection, transaction.Transaction, CancellationToken.None)).FirstOrDefault(each => each.IsOpen) is { } open)
        {
            throw Refusal.AlreadyExists($"An open access review ({open.IdText}, due {TextOf(open.DueTime)})");
        }

        var start = WholeSeconds(transaction.Time);
        if (due - start < LeastTime || due - start > MostTime)
        {
            throw Refusal.InvalidArgument("due_time", $"must be {LeastTime.TotalDays:0} to {MostTime.TotalDays:0} days ahead");
        }

        var scope = ReviewScope.Of(register.Current, roster, by, transaction.Time);
        if (scope.Entries.Count > AccessReviewResult.MaxPrincipals)
        {
            throw Refusal.InvalidArgument("roster", $"there are {scope.Entries.Count} active principals, and a review has at most {AccessReviewResult.MaxPrincipals}; disable who is not needed");
        }

        var row = new AccessReviewRow
        {
            Id = unchecked((long)AccessAdministration.NewId()), StartedBy = by, StartedAt = UnixTime.Nanoseconds(start), DueAt = UnixTime.Nanoseconds(WholeSeconds(due)),
            RosterSha256 = rosterSha256, Scope = scope.ToString(), State = AccessReviewRow.Open, Revision = 1,
        };
        await reviews.WriteAsync(transaction, row);
        return (row, scope);
    }

    /// <summary>A manager's word on one principal; to suspend disables it in the same change.</summary>
    /// <param name="accessDigest">Of what the manager was shown.</param>
    /// <exception cref="Refusal">NOT_FOUND, NOT_THE_REVIEWER, ACCESS_REVIEW_CLOSED, ACCESS_CHANGED, INVALID_ARGUMENT.</exception>
    public async Task<ReviewedPrincipal> AttestAsync(
        IStoreTransaction transaction, string by, string name, ReviewVerdict verdict, ReadOnlyMemory<byte> accessDigest, string note)
    {
        var (review, item) = await RequirePendingAsync(transaction, name, by);
        // From the rows, not from memory: another server may have granted something a moment ago, or disabled it.
        var principal = await _access.FindPrincipalAsync(transaction.Connection, name, CancellationToken.None)
            ?? throw new StoreTamperedException(AccessRows.PrincipalsTable, name, "the row is missing");
        if (principal.Disabled)
        {
            throw WasDisabled(name);
        }

        var grants = await _access.ListGrantsAsync(transaction.Connection, name, CancellationToken.None);
        var holds = AccessStatement.DigestOf(principal, grants, transaction.Time);
        if (!holds.AsSpan().SequenceEqual(accessDigest.Span))
        {
            throw new Refusal(Reason.AccessChanged, $"What '{name}' may do has changed since it was shown. Look at it again, then attest it.");
        }

        if (verdict == ReviewVerdict.Suspend)
        {
            await administration.DisablePrincipalAsync(transaction, name, "principal");
        }

        var row = NextOf(review, item);
        (row.Verdict, row.DecidedBy, row.DecidedAt) = ((long)verdict, by, UnixTime.Nanoseconds(transaction.Time));
        (row.Note, row.AccessSha256) = (note.Length == 0 ? null : note, holds);
        await items.WriteAsync(transaction, row);
        return item with { Row = row, Verdict = verdict };
    }

    /// <summary>Gives an item that nobody attested to another manager.</summary>
    /// <exception cref="Refusal">NOT_FOUND, ACCESS_REVIEW_CLOSED, INVALID_ARGUMENT.</exception>
    public async Task<ReviewedPrincipal> ReassignAsync(IStoreTransaction transaction, string by, string name, string manager, string reason)
    {
        var (review, item) = await RequirePendingAsync(transaction, name, attestedBy: null);
        if (!register.Current.Principals.TryGetValue(manager, out var other) || other.Disabled || other.Type != PrincipalType.Person)
        {
            throw Refusal.InvalidArgument("manager", "must be the name of an active person");
        }

        if (manager == name)
        {
            throw Refusal.InvalidArgument("manager", "nobody attests himself");
        }

        if (manager == by)
        {
            throw Refusal.InvalidArgument("manager", "must be another person: whoever gives items out takes none");
        }

        if (manager == review.StartedBy)
        {
            throw Refusal.InvalidArgument("manager", $"{manager} started the review and attests nothing in it");
        }

        var row = NextOf(review, item);
        (row.Manager, row.AssignedBy, row.AssignReason) = (manager, by, reason);
        await items.WriteAsync(transaction, row);
        return item with { Row = row };
    }

    /// <summary>Puts on record that people are told of the review's end: it comes a day later at the earliest.</summary>
    /// <returns>Whom nobody attested; null when the review is not open any more.</returns>
    public async Task<IReadOnlyList<ReviewedPrincipal>?> AnnounceAsync(IStoreTransaction transaction, long id)
    {
        if (await FindOpenAsync(transaction, id) is not { } review)
        {
            return null;
        }

        (review.AnnouncedAt, review.Revision) = (UnixTime.Nanoseconds(transaction.Time), review.Revision + 1);
        await reviews.WriteAsync(transaction, review);
        return [.. (await EverybodyAsync(transaction, review)).Where(each => each.IsPending)];
    }

    /// <summary>
    /// At the deadline: suspends those whom nobody attested, and marks those without whom nobody could administer access: of several the last by name.
    /// </summary>
    /// <param name="names">At most <see cref="SuspendedAtOnce"/>, who were found pending; who is not any more is left alone.</param>
    /// <returns>What was done, by name.</returns>
    public async Task<IReadOnlyList<ReviewedPrincipal>> SuspendAsync(IStoreTransaction transaction, long id, IEnumerable<string> names)
    {
        var done = new List<ReviewedPrincipal>();
        if (await FindOpenAsync(transaction, id) is not { } review || !(review.EndTime <= transaction.Time))
        {
            return done;
        }

        var scope = ReviewScope.Parse(review.Scope);
        var pending = new List<ReviewedPrincipal>();
        await items.VerifyCountAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
        foreach (var name in names)
        {
            var item = await ItemAsync(transaction, review, scope.Find(name)!);
            // Another server may have disabled it a moment ago.
            if (item.IsPending && await _access.FindPrincipalAsync(transaction.Connection, name, CancellationToken.None) is { Disabled: false })
            {
                pending.Add(item);
            }
        }

        var before = register.Current;
        var suspended = await administration.SuspendAsync(transaction, pending.Select(each => each.Name));
        foreach (var item in pending)
        {
            var verdict = suspended.Contains(item.Name) ? ReviewVerdict.SuspendedAtDeadline : ReviewVerdict.KeptAsLastAdministrator;
            var row = NextOf(review, item);
            (row.Verdict, row.DecidedAt) = ((long)verdict, UnixTime.Nanoseconds(transaction.Time));
            row.AccessSha256 = AccessStatement.DigestOf(before.Principals[item.Name], before.GrantsOf(item.Name), transaction.Time);
            await items.WriteAsync(transaction, row);
            done.Add(item with { Row = row, Verdict = verdict });
        }

        return done;
    }

    /// <summary>
    /// Has the HSM sign the result of the open review as it stands, when nobody is pending: outside of a change, which must not wait for it;
    /// <see cref="CloseAsync"/> compares.
    /// </summary>
    /// <returns>Null when no review is open.</returns>
    public async Task<SignedReview?> SignAsync(IStore store, ReviewSigner signer, string? by, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var installation = (await Installation.ReadAsync(store, cancellationToken))!.LogId;
        var open = await store.ReadAsync(
            async connection => await reviews.FindOpenAsync(connection, null, cancellationToken) is { } review
                ? (review, await EverybodyAsync(connection, review, cancellationToken), await items.VerifyCountAsync(connection, null, cancellationToken))
                : ((AccessReviewRow, IReadOnlyList<ReviewedPrincipal>, long)?)null,
            cancellationToken);
        if (open is not var (review, everybody, changes))
        {
            return null;
        }

        // Servers' clocks differ by a little, and nothing in a result is decided after it was closed.
        var time = everybody.Select(each => TimeOf(review, each)).OfType<DateTimeOffset>().Append(review.StartTime).Append(WholeSeconds(now)).Max();
        var note = everybody.Any(each => each.IsPending)
            ? null
            : await signer.SignAsync(AccessReviewResult.OriginOf(installation), ResultOf(installation, review, everybody, time, by).ToString(), cancellationToken);
        return new SignedReview(review, everybody, changes, time, by, note);
    }

    /// <summary>Keeps the signed result, and with that closes the review.</summary>
    /// <param name="signed">What <see cref="SignAsync"/> gave.</param>
    /// <exception cref="Refusal">NOT_FOUND, REVIEW_INCOMPLETE.</exception>
    public async Task<AccessReviewRow> CloseAsync(IStoreTransaction transaction, SignedReview? signed)
    {
        var review = await reviews.FindOpenAsync(transaction.Connection, transaction.Transaction, CancellationToken.None) ?? throw NoneOpen();
        var pending = signed?.Review.Id == review.Id ? signed.Everybody.Where(each => each.IsPending).ToList() : [];
        if (pending.Count > 0)
        {
            throw new Refusal(
                Reason.ReviewIncomplete,
                $"{pending.Count} of {signed!.Everybody.Count} principals are not attested, {Names(pending.Select(each => each.Name))}. Their managers attest them (keyservice access review attest), or the review ends by itself {TextOf(review.DueTime)}.");
        }

        // Nothing of it was changed since it was read: neither the review nor any item. Who was disabled stays so.
        if (signed?.Note is not { } note || signed.Review.Id != review.Id || signed.Review.Revision != review.Revision
            || signed.Changes != await items.VerifyCountAsync(transaction.Connection, transaction.Transaction, CancellationToken.None))
        {
            throw new Refusal(Reason.ReviewIncomplete, "The review changed while its result was signed. Close it again.");
        }

        (review.State, review.ClosedBy, review.ClosedAt) = (AccessReviewRow.Closed, signed.ClosedBy, UnixTime.Nanoseconds(signed.CloseTime));
        (review.Note, review.Revision) = (note.ToArray(), review.Revision + 1);
        await reviews.WriteAsync(transaction, review);
        return review;
    }

    /// <summary>Everybody in a review, by name.</summary>
    public async Task<IReadOnlyList<ReviewedPrincipal>> EverybodyAsync(System.Data.Common.DbConnection connection, AccessReviewRow review, CancellationToken cancellationToken) =>
        ReviewedPrincipal.Of(review, await items.ListAsync(connection, null, review.Id, cancellationToken), register.Current);

    /// <summary>Registered and not disabled.</summary>
    public bool IsActive(string name) => register.Current.Principals.TryGetValue(name, out var principal) && !principal.Disabled;

    /// <summary>The first few names, and how many more there are.</summary>
    public static string Names(IEnumerable<string> names)
    {
        const int shown = 10;
        var all = names.ToList();
        return string.Join(", ", all.Take(shown)) + (all.Count > shown ? $" and {all.Count - shown} more" : "");
    }

    public static string TextOf(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static Refusal NoneOpen() => Refusal.NotFound("An open access review");

    private async Task<IReadOnlyList<ReviewedPrincipal>> EverybodyAsync(IStoreTransaction transaction, AccessReviewRow review) =>
        ReviewedPrincipal.Of(review, await items.ListAsync(transaction.Connection, transaction.Transaction, review.Id, CancellationToken.None), register.Current);

    private async Task<AccessReviewRow?> FindOpenAsync(IStoreTransaction transaction, long id) =>
        await reviews.FindOpenAsync(transaction.Connection, transaction.Transaction, CancellationToken.None) is { } review && review.Id == id ? review : null;

    private async Task<(AccessReviewRow Review, ReviewedPrincipal Item)> RequirePendingAsync(IStoreTransaction transaction, string name, string? attestedBy)
    {
        var review = await reviews.FindOpenAsync(transaction.Connection, transaction.Transaction, CancellationToken.None) ?? throw NoneOpen();
        var entry = ReviewScope.Parse(review.Scope).Find(name) ?? throw Refusal.NotFound($"'{name}' in the access review {review.IdText}");
        await items.VerifyCountAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
        var item = await ItemAsync(transaction, review, entry);
        if (attestedBy == name)
        {
            throw new Refusal(Reason.NotTheReviewer, "This is your own access. Your manager attests it.");
        }

        if (attestedBy is not null && item.Manager != attestedBy)
        {
            throw new Refusal(Reason.NotTheReviewer, item.Manager.Length == 0
                ? $"Nobody is named to attest '{name}'. An access manager gives it to somebody (keyservice access review reassign)."
                : $"'{name}' is attested by {item.Manager}, whom the review names.");
        }

        if (review.EndTime is { } end && end <= transaction.Time)
        {
            throw new Refusal(Reason.AccessReviewClosed, $"The review ended {TextOf(end)}. What was not attested by then is suspended.");
        }

        return item.Verdict switch
        {
            ReviewVerdict.Pending => (review, item),
            ReviewVerdict.DisabledMeanwhile => throw WasDisabled(name),
            _ => throw new Refusal(Reason.AccessReviewClosed, $"'{name}' was attested already: {ReviewVerdicts.NameOf(item.Verdict)}, by {item.Row!.DecidedBy}. What was said stays."),
        };
    }

    private async Task<ReviewedPrincipal> ItemAsync(IStoreTransaction transaction, AccessReviewRow review, ScopeEntry entry) => ReviewedPrincipal.Of(
        review, entry, await items.FindAsync(transaction.Connection, transaction.Transaction, review.Id, entry.Principal, CancellationToken.None), register.Current);

    private static Refusal WasDisabled(string name) => new(Reason.AccessReviewClosed, $"'{name}' was disabled meanwhile. There is nothing left to attest.");

    private static AccessReviewItemRow NextOf(AccessReviewRow review, ReviewedPrincipal item) => item.Row is { } row
        ? new AccessReviewItemRow
        {
            ReviewId = row.ReviewId, Principal = row.Principal, Manager = row.Manager, AssignedBy = row.AssignedBy, AssignReason = row.AssignReason, Verdict = row.Verdict,
            Revision = row.Revision + 1,
        }
        : new AccessReviewItemRow { ReviewId = review.Id, Principal = item.Name, Manager = item.Entry.Manager, Verdict = (long)ReviewVerdict.Pending, Revision = 1 };

    private static AccessReviewResult ResultOf(
        byte[] installation, AccessReviewRow review, IReadOnlyList<ReviewedPrincipal> everybody, DateTimeOffset closeTime, string? by) => new(
        installation, unchecked((ulong)review.Id), review.StartedBy, review.StartTime, review.DueTime, closeTime, by ?? "", review.RosterSha256,
        everybody.Select(each => new AccessReviewEntry(
            each.Name, PrincipalTypes.NameOf(each.Entry.Type), each.Manager, ReviewFindings.NameOf(each.Entry.Finding), ReviewVerdicts.NameOf(each.Verdict),
            TimeOf(review, each) ?? closeTime, each.Row?.AccessSha256 ?? [], each.Row?.Note ?? "")));

    private static DateTimeOffset? TimeOf(AccessReviewRow review, ReviewedPrincipal item) => item.DecideTime is not { } time
        ? null : WholeSeconds(time) is var whole && whole > review.StartTime ? whole : review.StartTime;

    private static DateTimeOffset WholeSeconds(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
}
