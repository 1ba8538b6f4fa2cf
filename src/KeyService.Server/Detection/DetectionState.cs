using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>
/// What the rules remember of the records before: a record goes in, hits come out, and nothing else happens. Times are the records' own, so a
/// stream gives the same hits whenever it is read. Bounded, and kept in the store between servers.
/// </summary>
internal sealed class DetectionState
{
    private const int MaxPlaces = 64;
    private const int MaxCompromised = 10_000;
    private const long NanosecondsATick = 100;

    /// <summary>Parts of the bulk rule's time: what is older than all of them is forgotten part by part.</summary>
    private const int BulkParts = 12;

    private static readonly TimeSpan QuietAfterRefusal = TimeSpan.FromHours(1);

    private static readonly JsonSerializerOptions Json = new() { IncludeFields = true };

    /// <summary>Times of failures.</summary>
    [JsonInclude]
    internal Windowed<List<long>> Failures { get; private set; } = new();

    [JsonInclude]
    internal Windowed<Night> AfterHours { get; private set; } = new();

    [JsonInclude]
    internal Windowed<List<Part>> Opened { get; private set; } = new();

    /// <summary>Days on which principal and event were told.</summary>
    [JsonInclude]
    internal Windowed<string> Administered { get; private set; } = new();

    /// <summary>When principal and key were told, and days on which principal and version were.</summary>
    [JsonInclude]
    internal Windowed<string> Told { get; private set; } = new();

    [JsonInclude]
    internal HashSet<string> Compromised { get; private set; } = new(StringComparer.Ordinal);

    [JsonInclude]
    internal Windowed<List<string>> Places { get; private set; } = new();

    /// <exception cref="JsonException">These are not bytes of <see cref="ToBytes"/>.</exception>
    public static DetectionState Parse(ReadOnlySpan<byte> bytes) => JsonSerializer.Deserialize<DetectionState>(bytes, Json) ?? new DetectionState();

    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, Json);

    /// <summary>Takes the next record.</summary>
    /// <returns>What it meets, by the numbers of the rules; mostly nothing.</returns>
    public IReadOnlyList<DetectionHit> Apply(DetectionConfiguration configuration, AuditRecord record)
    {
        List<DetectionHit>? hits = null;
        void Add(DetectionHit? hit)
        {
            if (hit is { } found)
            {
                (hits ??= []).Add(found);
            }
        }

        Add(FailedLogin(configuration, record));
        if (!string.IsNullOrEmpty(record.Principal))
        {
            var opened = OpenedBy(record);
            Add(opened == 0 ? null : AfterHoursAccess(configuration, record, opened));
            Add(BulkExport(configuration, record, opened));
            Add(Administration(configuration, record));
            Add(RefusedContext(record));
            Add(CompromisedVersion(configuration, record));
            Add(NewPlace(record));
        }

        return hits ?? (IReadOnlyList<DetectionHit>)[];
    }

    private DetectionHit? FailedLogin(DetectionConfiguration configuration, AuditRecord record)
    {
        var subject = string.IsNullOrEmpty(record.Principal) ? WithoutPort(record.Source ?? "") : record.Principal;
        if (subject.Length == 0)
        {
            return null;
        }

        if ((AuditEvent)record.EventId is AuditEvent.SessionOpened or AuditEvent.SessionConfirmed && record.Outcome == AuditOutcome.Success)
        {
            Failures.Remove(subject);
            return null;
        }

        if ((AuditEvent)record.EventId != AuditEvent.AuthenticationRefused && record.Reason is not ("SECOND_FACTOR_REFUSED" or "SECOND_FACTOR_LOCKED"))
        {
            return null;
        }

        var times = Failures.Find(subject) ?? [];
        times.RemoveAll(time => record.TimeUnixNanoseconds - time > Nanoseconds(configuration.FailedLoginsWithin));
        times.Add(record.TimeUnixNanoseconds);
        if (times.Count < configuration.FailedLogins)
        {
            Failures.Set(subject, record.TimeUnixNanoseconds, times);
            return null;
        }

        // The next ones begin to count anew.
        Failures.Remove(subject);
        return new DetectionHit(
            DetectionRule.FailedLogins, subject,
            Say($"{subject} failed to log in {configuration.FailedLogins} times within {configuration.FailedLoginsWithin.TotalMinutes:0} minutes, the last time from {record.Source}."));
    }

    private DetectionHit? AfterHoursAccess(DetectionConfiguration configuration, AuditRecord record, long opened)
    {
        // Services work at night; a person behind one is a person.
        var who = !string.IsNullOrEmpty(record.OnBehalfOf) ? $"{record.OnBehalfOf} via {record.Principal}" : record.Principal!;
        var time = UnixTime.FromNanoseconds(record.TimeUnixNanoseconds);
        if ((string.IsNullOrEmpty(record.OnBehalfOf) && record.PrincipalType == PrincipalTypes.NameOf(PrincipalType.Service)) || configuration.Calendar.IsOpen(time))
        {
            return null;
        }

        var since = configuration.Calendar.ClosedSince(time).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        var before = AfterHours.Find(who) is { } night && night.Since == since ? night.Records : 0;
        AfterHours.Set(who, record.TimeUnixNanoseconds, new Night(since, before + opened));
        return before <= configuration.AfterHoursRecords && before + opened > configuration.AfterHoursRecords
            ? new DetectionHit(
                DetectionRule.AfterHoursAccess, who,
                Say($"{who} opened {before + opened} records after hours, at {configuration.Calendar.LocalOf(time):yyyy-MM-dd HH:mm} of the site's time; more than {configuration.AfterHoursRecords} are told."))
            : null;
    }

    private DetectionHit? BulkExport(DetectionConfiguration configuration, AuditRecord record, long opened)
    {
        var principal = record.Principal!;
        if ((AuditEvent)record.EventId == AuditEvent.BackupExportRequested && record.Outcome == AuditOutcome.Success)
        {
            return new DetectionHit(DetectionRule.BulkExport, principal, Say($"{principal} asked for a backup of every key."));
        }

        if ((AuditEvent)record.EventId == AuditEvent.AuditExportClosed && record.Outcome == AuditOutcome.Success)
        {
            return new DetectionHit(DetectionRule.BulkExport, principal, Say($"{principal} took the audit log out."));
        }

        if (opened == 0 || configuration.BulkExcept.Contains(principal))
        {
            return null;
        }

        var part = record.TimeUnixNanoseconds / (Nanoseconds(configuration.BulkWithin) / BulkParts);
        var parts = Opened.Find(principal) ?? [];
        parts.RemoveAll(each => each.Number <= part - BulkParts);
        var last = parts.FindIndex(each => each.Number == part);
        if (last < 0)
        {
            parts.Add(new Part(part, opened));
        }
        else
        {
            parts[last] = new Part(part, parts[last].Records + opened);
        }

        var sum = parts.Sum(each => each.Records);
        if (sum <= configuration.BulkRecords)
        {
            Opened.Set(principal, record.TimeUnixNanoseconds, parts);
            return null;
        }

        Opened.Remove(principal);
        return new DetectionHit(
            DetectionRule.BulkExport, principal,
            Say($"{principal} opened {sum} records within {configuration.BulkWithin.TotalMinutes:0} minutes; more than {configuration.BulkRecords} are told."));
    }

    private DetectionHit? Administration(DetectionConfiguration configuration, AuditRecord record)
    {
        if (record.Type is not (AuditEventType.Administer or AuditEventType.Delete) || record.Outcome is not (AuditOutcome.Success or AuditOutcome.Pending)
            || IsEverybodys((AuditEvent)record.EventId))
        {
            return null;
        }

        var name = AuditEvents.NameOf((AuditEvent)record.EventId);
        var what = $"{record.Principal} {name}";
        return IsTold(Administered, what, DayOf(configuration, record), record)
            ? null
            : new DetectionHit(
                DetectionRule.AdministrativePrivilege, record.Principal!,
                Say($"{record.Principal} used an administrative privilege: {name}{(string.IsNullOrEmpty(record.Key) ? "" : $" of {record.Key}")}. Further ones of this kind on the same day are not told."));
    }

    private DetectionHit? RefusedContext(AuditRecord record)
    {
        if (record.Outcome != AuditOutcome.Refused
            || !(record.Reason == "DECRYPTION_FAILED" || (record.Reason == "ACCESS_DENIED" && !record.ContextDigest.IsEmpty)))
        {
            return null;
        }

        var what = $"{record.Principal} {record.Key} {record.Reason}";
        var before = Told.Find(what);
        if (before is not null && record.TimeUnixNanoseconds - long.Parse(before, CultureInfo.InvariantCulture) <= Nanoseconds(QuietAfterRefusal))
        {
            return null;
        }

        Told.Set(what, record.TimeUnixNanoseconds, record.TimeUnixNanoseconds.ToString(CultureInfo.InvariantCulture));
        return new DetectionHit(
            DetectionRule.RefusedContext, record.Principal!,
            Say($"{record.Principal} was refused a context of {Name(record.Key)} ({record.Reason}): {(record.Reason == "ACCESS_DENIED" ? "it may not use it" : "the ciphertext was made for another one, or is damaged")}. More of it within an hour is not told."));
    }

    private DetectionHit? CompromisedVersion(DetectionConfiguration configuration, AuditRecord record)
    {
        if (record.Outcome != AuditOutcome.Success)
        {
            return null;
        }

        if ((AuditEvent)record.EventId == AuditEvent.KeyVersionStateChanged)
        {
            if (record.KeyVersion is { } declared && record.Detail?.StartsWith("compromised:", StringComparison.Ordinal) == true && Compromised.Count < MaxCompromised)
            {
                Compromised.Add(declared.ToString());
            }

            return null;
        }

        if (!IsUse((AuditEvent)record.EventId))
        {
            return null;
        }

        // The version that the record is about, and those of which it says itself that they are compromised: a batch can take in several.
        var used = CompromisedVersions.Read(record.Detail).Select(version => version.ToString()).ToList();
        if (record.KeyVersion is { } named && Compromised.Contains(named.ToString()) && !used.Contains(named.ToString()))
        {
            used.Insert(0, named.ToString());
        }

        used.RemoveAll(version => IsTold(Told, $"{record.Principal} {version}", DayOf(configuration, record), record));
        if (used.Count == 0)
        {
            return null;
        }

        var which = used.Count > 1 ? $"versions {string.Join(", ", used)}, which are"
            : used[0] == record.KeyVersion?.ToString() ? $"version {used[0]} of {Name(record.Key)}, which is" : $"version {used[0]}, which is";
        return new DetectionHit(
            DetectionRule.CompromisedVersionUsed, record.Principal!,
            Say($"{record.Principal} used {which} compromised: {AuditEvents.NameOf((AuditEvent)record.EventId)}. More of it on the same day is not told."));
    }

    private DetectionHit? NewPlace(AuditRecord record)
    {
        var place = WithoutPort(record.Source ?? "");
        if (place.Length == 0)
        {
            return null;
        }

        var principal = record.Principal!;
        var places = Places.Find(principal);
        var isKnown = places?.Remove(place) ?? false;
        var isFirst = places is null;
        places ??= [];
        places.Add(place);
        if (places.Count > MaxPlaces)
        {
            places.RemoveAt(0);
        }

        Places.Set(principal, record.TimeUnixNanoseconds, places);
        return isKnown || isFirst ? null : new DetectionHit(DetectionRule.NewPlace, principal, Say($"{principal} called from {place}, for the first time."));
    }

    /// <summary>Records of patients, as far as the log can know: items that were opened.</summary>
    private static long OpenedBy(AuditRecord record) => record.Outcome != AuditOutcome.Success ? 0 : (AuditEvent)record.EventId switch
    {
        AuditEvent.DataKeyUnwrapped or AuditEvent.FieldDecrypted or AuditEvent.DecryptStreamClosed => 1,
        AuditEvent.FieldsDecrypted => (long)Math.Max(1, Math.Min(record.ItemCount ?? 1, int.MaxValue)),
        _ => 0,
    };

    private static bool IsUse(AuditEvent auditEvent) => auditEvent is >= AuditEvent.DataKeyGenerated and <= AuditEvent.DataKeysRewrapped
        or >= AuditEvent.FieldEncrypted and <= AuditEvent.DecryptStreamClosed;

    // Administer by type, and no privilege: everybody's own sessions, what jobs report, and the review itself.
    private static bool IsEverybodys(AuditEvent auditEvent) => auditEvent
        is AuditEvent.SecondFactorOffered or AuditEvent.SecondFactorActivated or AuditEvent.SessionOpened or AuditEvent.SessionConfirmed
        or AuditEvent.SessionClosed or AuditEvent.SessionUsed or AuditEvent.SessionEnded or AuditEvent.HoldingReported or AuditEvent.AlarmAcknowledged
        or >= AuditEvent.FindingsListed and <= AuditEvent.SignOffsListed;

    private static bool IsTold(Windowed<string> told, string what, string day, AuditRecord record)
    {
        if (told.Find(what) == day)
        {
            return true;
        }

        told.Set(what, record.TimeUnixNanoseconds, day);
        return false;
    }

    private static string DayOf(DetectionConfiguration configuration, AuditRecord record) =>
        configuration.Calendar.LocalOf(UnixTime.FromNanoseconds(record.TimeUnixNanoseconds)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    // "192.0.2.7:4711", "[2001:db8::1]:4711", either with a credential behind a space; "unix".
    private static string WithoutPort(string source)
    {
        var space = source.IndexOf(' ', StringComparison.Ordinal);
        var address = space < 0 ? source : source[..space];
        var colon = address.LastIndexOf(':');
        return colon < 0 || !int.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? source : string.Concat(address.AsSpan(0, colon), space < 0 ? "" : source.AsSpan(space));
    }

    private static string Name(string? key) => string.IsNullOrEmpty(key) ? "a key" : key;

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static long Nanoseconds(TimeSpan time) => time.Ticks * NanosecondsATick;

    /// <param name="Since">Day on which the site closed.</param>
    internal sealed record Night(string Since, long Records);

    /// <param name="Number">Which part of time since 1970.</param>
    internal sealed record Part(long Number, long Records);
}
