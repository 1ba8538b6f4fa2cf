using System.Globalization;
using KeyService.Server.Keys;

namespace KeyService.Server.Evidence;

/// <summary>What became of a key's versions in a range of time.</summary>
/// <param name="What">In words; in capitals what should not have been.</param>
/// <param name="Version">The version that it is about.</param>
/// <param name="At">When it began to protect, or when its limit passed.</param>
/// <param name="Superseded">The version that protected before; null when there was none.</param>
internal sealed record KeyRotation(string Key, string What, KeyVersionRow Version, DateTimeOffset At, KeyVersionRow? Superseded)
{
    public const string Header = "key,what,version,at,superseded,superseded_after_days,by,reason,state_now";

    /// <param name="activation">Who made it protect; null when that is not on record, or it is about something else.</param>
    public string ToLine(StateChange? activation) => CsvLine.Of(
        Key, What, Version.Id.ToString(), At.ToString("u", CultureInfo.InvariantCulture), Superseded?.Id.ToString() ?? "",
        Superseded?.ActivateTime is { } before ? string.Create(CultureInfo.InvariantCulture, $"{(At - before).TotalDays:0.0}") : "",
        activation?.By ?? "", activation?.Reason ?? "", KeyStates.NameOf(Version.State));
}

/// <summary>Finds rotations, and limits that passed without one, in what the registers say of a key's versions.</summary>
internal static class KeyRotations
{
    public const string Begun = "first version";
    public const string Rotated = "rotation";
    public const string Overdue = "LIMIT PASSED WITHOUT A ROTATION";

    /// <param name="versions">All versions of the key, in any order.</param>
    /// <param name="now">A version that nothing has ended yet protects until then.</param>
    public static IEnumerable<KeyRotation> Of(KeyRow key, IEnumerable<KeyVersionRow> versions, EvidenceRange range, DateTimeOffset now)
    {
        var activated = versions.Where(version => version.ActivateTime is not null).OrderBy(version => version.ActivateTime).ThenBy(version => version.Id.Value).ToList();
        for (var i = 0; i < activated.Count; i++)
        {
            var version = activated[i];
            var began = version.ActivateTime!.Value;
            if (range.Has(began))
            {
                yield return new KeyRotation(key.Name, i == 0 ? Begun : Rotated, version, began, i == 0 ? null : activated[i - 1]);
            }

            var next = i + 1 < activated.Count ? activated[i + 1].ActivateTime : null;
            var ended = new[] { next, version.DeactivateTime, version.CompromiseProcessedTime, version.State == KeyState.Suspended ? version.LastChange?.Time : null }.Min() ?? now;
            var limit = key.Rotation.LimitAt(began);
            if (limit < ended && limit < range.Until && ended > range.From)
            {
                yield return new KeyRotation(key.Name, Overdue, version, limit, null);
            }
        }
    }
}
