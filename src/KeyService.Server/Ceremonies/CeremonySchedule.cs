using System.Globalization;
using KeyService.Crypto.Ceremonies;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Ceremonies;

/// <summary>When the next share check, restore drill and export are due, and the alarms of those that are late. Judged from the table as a whole.</summary>
internal sealed class CeremonySchedule(CeremonyConfiguration configuration, CeremonyTable ceremonies, IStore store, AlarmOutlet alarms, TimeProvider time)
{
    private static readonly AlarmKind[] Kinds = [AlarmKind.ShareCheckOverdue, AlarmKind.RestoreDrillOverdue, AlarmKind.BackupExportOverdue];

    /// <summary>Each kind that has a period, with the time by which the next one must be completed.</summary>
    public async Task<IReadOnlyList<(string Kind, DateTimeOffset Due, DateTimeOffset? Last)>> DueAsync(CancellationToken cancellationToken)
    {
        var installed = (await Installation.ReadAsync(store, cancellationToken))!.CreateTime;
        var all = await store.ReadAsync(connection => ceremonies.ListAsync(connection, cancellationToken), cancellationToken);
        // A station's clock that is ahead must not put off the next one.
        var now = time.GetUtcNow();
        return
        [
            .. from period in configuration.Periods
            let last = all.Where(each => each.Kind == period.Kind && each.Ending == TranscriptVerdict.Completed)
                .Select(each => (DateTimeOffset?)UnixTime.FromNanoseconds(each.EndedAt)).Max()
            select (period.Kind, (last is { } ended && ended < now ? ended : last is null ? installed : now) + period.Every, last),
        ];
    }

    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var late = (await DueAsync(cancellationToken)).Where(each => each.Due < now).ToDictionary(each => KindOf(each.Kind), each => each);
        foreach (var kind in Kinds)
        {
            if (late.TryGetValue(kind, out var overdue))
            {
                await alarms.RaiseAsync(kind, overdue.Kind, string.Create(
                    CultureInfo.InvariantCulture,
                    $"A {overdue.Kind} was due {overdue.Due:u}; {(overdue.Last is { } last ? $"the last one was completed {last:u}" : "none was ever recorded here")}."), cancellationToken);
            }
            else if ((await alarms.StandingAsync(kind, cancellationToken))?.Count > 0)
            {
                await alarms.ClearAsync(kind, NameOf(kind), cancellationToken);
            }
        }
    }

    private static AlarmKind KindOf(string kind) => Kinds.First(each => NameOf(each) == kind);

    private static string NameOf(AlarmKind kind) => kind switch
    {
        AlarmKind.ShareCheckOverdue => CeremonyKind.ShareCheck,
        AlarmKind.RestoreDrillOverdue => CeremonyKind.RestoreDrill,
        _ => CeremonyKind.BackupExport,
    };
}
