using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.AccessReviews;
using KeyService.Server.Storage;

namespace KeyService.Server.AccessReviews;

/// <summary>A review as its table has it.</summary>
internal sealed class AccessReviewRow
{
    public const long Open = 1;
    public const long Closed = 2;

    private static readonly TimeSpan MostAhead = TimeSpan.FromDays(7);
    private static readonly TimeSpan Notice = TimeSpan.FromDays(1);

    public long Id { get; set; }

    public string StartedBy { get; set; } = "";

    /// <summary>In whole seconds, as the times of a review are: they stand in its result.</summary>
    public long StartedAt { get; set; }

    public long DueAt { get; set; }

    /// <summary>When its end was told of, last; null when it was not yet.</summary>
    public long? AnnouncedAt { get; set; }

    public byte[] RosterSha256 { get; set; } = [];

    /// <summary>A <see cref="ReviewScope"/>.</summary>
    public string Scope { get; set; } = "";

    public long State { get; set; }

    /// <summary>Null while it is open, and when it ended by itself.</summary>
    public string? ClosedBy { get; set; }

    public long? ClosedAt { get; set; }

    /// <summary>The signed result; null while it is open.</summary>
    public byte[]? Note { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public string IdText => Id.ToString("x16", CultureInfo.InvariantCulture);

    public bool IsOpen => State == Open;

    public DateTimeOffset StartTime => UnixTime.FromNanoseconds(StartedAt);

    public DateTimeOffset DueTime => UnixTime.FromNanoseconds(DueAt);

    /// <summary>From then on its end is told of: its last week, or the last quarter of a shorter one.</summary>
    public DateTimeOffset AnnounceTime => DueTime - Least(Quarter, MostAhead);

    public DateTimeOffset? LastAnnounceTime => UnixTime.FromNanoseconds(AnnouncedAt);

    /// <summary>
    /// When those are disabled whom nobody attested: when it is due, and never before its end was told of for a day, or for a quarter of a shorter
    /// one's time. Null while it was not told of.
    /// </summary>
    public DateTimeOffset? EndTime => LastAnnounceTime is not { } told ? null : told + Least(Quarter, Notice) is var end && end > DueTime ? end : DueTime;

    private TimeSpan Quarter => (DueTime - StartTime) / 4;

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    /// <summary>Of a verified row that is closed.</summary>
    /// <exception cref="FormatException">A version wrote it that this one does not know.</exception>
    public AccessReviewResult Result => AccessReviewResult.TryRead(Note, out _, out var result)
        ? result! : throw new FormatException($"The result of the access review {IdText} is of a form that this version does not know.");

    /// <summary>Scope and note by their SHA-256: they may have megabytes, which are not for the HSM.</summary>
    public byte[] Canonical() => RowMac.Row(AccessReviewTable.Name)
        .AddInt64(Id).AddString(StartedBy).AddInt64(StartedAt).AddInt64(DueAt).AddInt64(AnnouncedAt).AddBytes(RosterSha256).AddBytes(SHA256.HashData(Encoding.UTF8.GetBytes(Scope)))
        .AddInt64(State).AddString(ClosedBy).AddInt64(ClosedAt).AddBytes(Note is null ? null : SHA256.HashData(Note)).AddInt64(Revision).ToArray();
}
