using System.Globalization;
using KeyService.Server.Alarms;
using KeyService.Server.Storage;

namespace KeyService.Server.Detection;

/// <summary>
/// Alarms of what waits for a person: findings that nobody closed, those that are overdue, months that nobody signed off. Judged from the tables
/// as a whole, so that whatever was missed is made up for.
/// </summary>
internal sealed class FindingAlarms(
    DetectionConfiguration configuration, IStore store, FindingTable findings, SignOffTable signOffs, AlarmOutlet alarms, TimeProvider time)
{
    private const string Queue = "findings";

    private IReadOnlyList<long>? _open;

    /// <param name="beganAt">When detection began: months before it need no signature.</param>
    public async Task LookAsync(DateTimeOffset beganAt, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var (open, signed) = await store.ReadAsync(
            async connection => (await findings.ListOpenAsync(connection, _open, cancellationToken), await signOffs.ListAsync(connection, cancellationToken)),
            cancellationToken);

        _open = [.. open.Select(each => each.Id)];
        var told = open.Where(each => DetectionRules.Alarms(each.RuleKind))
            .GroupBy(each => AlarmOutlet.SubjectOf($"{DetectionRules.NameOf(each.RuleKind)} {each.Subject}"))
            .ToDictionary(group => group.Key, group => $"{group.Last().Message} Finding {group.Last().IdText}{(group.Count() > 1 ? $" and {group.Count() - 1} more" : "")}.");
        await JudgeAsync(AlarmKind.Finding, told, cancellationToken);

        var overdue = open.Where(each => now - each.MakeTime > configuration.ReviewWithin).ToList();
        await JudgeAsync(
            AlarmKind.ReviewOverdue,
            overdue.Count == 0 ? [] : new Dictionary<string, string>
            {
                [Queue] = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{overdue.Count} findings wait for longer than {configuration.ReviewWithin.TotalDays:0} days; the oldest, {overdue[0].IdText}, since {overdue[0].MakeTime:u}."),
            },
            cancellationToken);

        var missing = Months.Due(configuration, beganAt, now).Except(signed.Select(each => each.Month)).ToDictionary(
            month => month, month => $"The findings of {month} were not signed off by day {configuration.SignOffDay} of the next month.");
        await JudgeAsync(AlarmKind.SignOffOverdue, missing, cancellationToken);
    }

    private async Task JudgeAsync(AlarmKind kind, Dictionary<string, string> standing, CancellationToken cancellationToken)
    {
        foreach (var (subject, message) in standing)
        {
            await alarms.RaiseAsync(kind, subject, message, cancellationToken);
        }

        foreach (var over in (await alarms.StandingAsync(kind, cancellationToken) ?? []).Except(standing.Keys))
        {
            await alarms.ClearAsync(kind, over, cancellationToken);
        }
    }
}
