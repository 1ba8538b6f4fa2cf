using System.Globalization;
using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Holdings;

/// <summary>From and to the messages of holdings.proto. What breaks a rule of the message is refused with the field's name.</summary>
internal static class HoldingMessages
{
    private const int LongestText = 512;
    private const int LongestIdentifier = 63;
    private const int MostCounts = 1000;

    public static Timestamp? Time(DateTimeOffset? time) => time is { } value ? Timestamp.FromDateTimeOffset(value) : null;

    public static string ScanIdText(ulong id) => id.ToString("x16", CultureInfo.InvariantCulture);

    public static Wire.Holding ToWire(Holding holding, IReadOnlyList<HoldingVersion> counts)
    {
        var message = new Wire.Holding
        {
            Name = holding.Name,
            Kind = (Wire.HoldingKind)holding.Kind,
            KeyPattern = holding.KeyPattern.Text,
            Location = holding.Location,
            Owner = holding.Owner,
            Postgres = holding.Details.Length > 0 ? Wire.PostgresColumn.Parser.ParseFrom(holding.Details) : null,
            WriteOnceUntil = Time(holding.WriteOnceUntil),
            CreateTime = Timestamp.FromDateTimeOffset(holding.CreateTime),
            Retired = holding.Retired,
            ScanBeginTime = Time(holding.ScannedFrom),
            ScanEndTime = Time(holding.ScannedAt),
            UnknownItems = holding.UnknownItems,
            Revision = holding.Revision,
        };
        message.Counts.AddRange(counts.Where(count => count.MostItems > 0).Select(count => new Wire.VersionCount
        {
            KeyVersion = count.Version.ToString(), Items = count.Items, MostItems = count.MostItems,
        }));
        return message;
    }

    public static Wire.Campaign ToWire(Campaign campaign)
    {
        var message = new Wire.Campaign
        {
            Name = campaign.Name,
            Kind = (Wire.CampaignKind)campaign.Kind,
            Key = campaign.Key,
            ItemsPerSecond = campaign.ItemsPerSecond,
            State = (Wire.CampaignState)campaign.State,
            StartedBy = campaign.StartedBy,
            StartTime = Timestamp.FromDateTimeOffset(campaign.StartTime),
            EndedBy = campaign.EndedBy ?? "",
            EndTime = Time(campaign.EndTime),
            Revision = campaign.Revision,
        };
        message.KeyVersions.AddRange(campaign.Versions.Select(each => each.ToString()));
        return message;
    }

    public static Wire.CampaignProgress ToWire(CampaignProgress progress) => new()
    {
        Campaign = progress.Campaign,
        ItemsDone = progress.ItemsDone,
        ItemsTotal = progress.ItemsTotal,
        ItemsFailed = progress.ItemsFailed,
        ReportTime = Timestamp.FromDateTimeOffset(progress.ReportTime),
    };

    /// <summary>A text for people: 1 to 512 characters without control characters.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static string Text(string text, string field) => text.Length is > 0 and <= LongestText && !text.Any(char.IsControl)
        ? text
        : throw Refusal.InvalidArgument(field, "must be 1 to 512 characters without control characters; no secret, no patient data");

    /// <summary>The holding of a registration, without owner and times checked against anything outside the message.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static Holding Require(Wire.Holding? message, DateTimeOffset now)
    {
        if (message is null)
        {
            throw Refusal.InvalidArgument("holding", "is required");
        }

        var kind = message.Kind switch
        {
            Wire.HoldingKind.PostgresColumn => HoldingKind.PostgresColumn,
            Wire.HoldingKind.SdkKeyTable => HoldingKind.SdkKeyTable,
            Wire.HoldingKind.ArchiveDirectory => HoldingKind.ArchiveDirectory,
            Wire.HoldingKind.External => HoldingKind.External,
            _ => throw Refusal.InvalidArgument("holding.kind", "POSTGRES_COLUMN, SDK_KEY_TABLE, ARCHIVE_DIRECTORY or EXTERNAL"),
        };
        if (kind != HoldingKind.SdkKeyTable && (message.Postgres is not null) != (kind == HoldingKind.PostgresColumn))
        {
            throw Refusal.InvalidArgument("holding.postgres", "is required of POSTGRES_COLUMN, may stand with SDK_KEY_TABLE, and with no other kind");
        }

        return new Holding(
            KeyName.Require(message.Name, "holding.name").Value, kind,
            KeyPattern.TryParse(message.KeyPattern, out var pattern)
                ? pattern
                : throw Refusal.InvalidArgument("holding.key_pattern", "a key's name, a name followed by /*, or *; at most 128 characters"),
            Text(message.Location, "holding.location"), message.Owner, Details(kind, message.Postgres),
            Later(message.WriteOnceUntil, now), now, Retired: false, ScanId: null, ScanBeganAt: null, ScannedFrom: null, ScannedAt: null,
            UnknownItems: 0, Revision: 1);
    }

    /// <summary>Counts of a report.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static Dictionary<KeyVersionId, long> Counts(Wire.ReportHoldingRequest request)
    {
        if (request.Counts.Count > MostCounts)
        {
            throw Refusal.InvalidArgument("counts", "must be at most 1,000");
        }

        var counts = new Dictionary<KeyVersionId, long>();
        for (var index = 0; index < request.Counts.Count; index++)
        {
            var count = request.Counts[index];
            if (count.Items < 0 || !counts.TryAdd(Version(count.KeyVersion, $"counts[{index}].key_version"), count.Items))
            {
                throw Refusal.InvalidArgument($"counts[{index}]", "no version twice and no items below zero");
            }
        }

        return counts;
    }

    /// <exception cref="Refusal">INVALID_ARGUMENT.</exception>
    public static KeyVersionId Version(string text, string field) => KeyVersionId.TryParse(text, out var id)
        ? id
        : throw Refusal.InvalidArgument(field, "must be 16 lower-case hexadecimal digits");

    private static DateTimeOffset? Later(Timestamp? time, DateTimeOffset now)
    {
        if (time is null)
        {
            return null;
        }

        // Beyond 2262 the column's nanoseconds do not reach.
        var latest = (long.MaxValue / 1_000_000_000) - 1;
        return time.Seconds is >= 0 && time.Seconds <= latest && time.Nanos is >= 0 and < 1_000_000_000 && time.ToDateTimeOffset() is var end && end > now
            ? end
            : throw Refusal.InvalidArgument("holding.write_once_until", "a time after now and before 2262");
    }

    private static byte[] Details(HoldingKind kind, Wire.PostgresColumn? column)
    {
        if (column is null)
        {
            return [];
        }

        Identifier(column.Schema, "schema");
        Identifier(column.Table, "table");
        if (kind == HoldingKind.SdkKeyTable)
        {
            return column.Equals(new Wire.PostgresColumn { Schema = column.Schema, Table = column.Table })
                ? column.ToByteArray()
                : throw Refusal.InvalidArgument("holding.postgres", "has schema and table alone with SDK_KEY_TABLE");
        }

        Identifier(column.Column, "column");
        var wrapped = column.Content switch
        {
            Wire.ColumnContent.WrappedKeys => true,
            Wire.ColumnContent.FieldTokens => false,
            _ => throw Refusal.InvalidArgument("holding.postgres.content", "WRAPPED_KEYS or FIELD_TOKENS"),
        };
        if (!System.Enum.IsDefined(column.Use) || wrapped != (column.Use != Wire.DataKeyUse.Unspecified))
        {
            throw Refusal.InvalidArgument("holding.postgres.use", "is required of wrapped keys, and only there");
        }

        if ((column.SubjectColumn.Length > 0) != (wrapped && column.Use != Wire.DataKeyUse.General))
        {
            throw Refusal.InvalidArgument("holding.postgres.subject_column", "is required of wrapped keys for another use than GENERAL, and only there");
        }

        if (column.SubjectColumn.Length > 0)
        {
            Identifier(column.SubjectColumn, "subject_column");
        }

        Context(column);
        return column.ToByteArray();
    }

    private static void Context(Wire.PostgresColumn column)
    {
        for (var index = 0; index < column.Context.Count; index++)
        {
            var source = column.Context[index];
            if (source.SourceCase == Wire.ContextSource.SourceOneofCase.None)
            {
                throw Refusal.InvalidArgument($"holding.postgres.context[{index}]", "has a value or a column");
            }

            if (source.SourceCase == Wire.ContextSource.SourceOneofCase.Column)
            {
                Identifier(source.Column, $"context[{index}].column");
            }
        }

        try
        {
            // Keys and stated values have to be able to stand in a context; a column's text is known only at the row.
            EncryptionContext.Create(column.Context.Select(each => KeyValuePair.Create(each.Key, each.Value)));
        }
        catch (InvalidContextException e)
        {
            throw Refusal.InvalidContext("holding.postgres.context", e.Message.TrimEnd('.'));
        }
    }

    private static void Identifier(string name, string field)
    {
        if (name.Length == 0 || Encoding.UTF8.GetByteCount(name) > LongestIdentifier || name.Contains('\0', StringComparison.Ordinal))
        {
            throw Refusal.InvalidArgument($"holding.postgres.{field}", "must be a name of 1 to 63 bytes, as the catalogue has it");
        }
    }
}
