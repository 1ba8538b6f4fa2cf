using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary>Holdings as results.</summary>
internal static class HoldingRecords
{
    public static Record Of(Holding holding) => new Record
    {
        ["name"] = holding.Name,
        ["kind"] = EnumNames.Of(holding.Kind),
        ["key_pattern"] = holding.KeyPattern,
        ["owner"] = holding.Owner,
        ["items"] = holding.Counts.Sum(count => count.Items),
        ["scan_end_time"] = Times.Of(holding.ScanEndTime),
        ["write_once_until"] = Times.Of(holding.WriteOnceUntil),
        ["retired"] = holding.Retired,
    }
    .Detail("location", holding.Location)
    .Detail("column", holding.Postgres is { } column ? string.Join('.', new[] { column.Schema, column.Table, column.Column }.Where(part => part.Length > 0)) : null)
    .Detail("scan_begin_time", Times.Of(holding.ScanBeginTime))
    .Detail("counts", holding.Counts.Select(count => new Record
    {
        ["key_version"] = count.KeyVersion, ["items"] = count.Items, ["most_items"] = count.MostItems,
    }).ToList())
    .Detail("unknown_items", holding.UnknownItems)
    .Detail("create_time", Times.Of(holding.CreateTime))
    .Detail("revision", holding.Revision);
}
