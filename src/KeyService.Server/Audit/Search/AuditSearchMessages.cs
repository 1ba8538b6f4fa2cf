using System.Collections.Frozen;
using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Ciphering;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using Enum = System.Enum;
using Principal = KeyService.Server.Access.Principal;

namespace KeyService.Server.Audit.Search;

/// <summary>What was asked: the query, the size of a page, and the question as one line of text, for the record and to bind page tokens to.</summary>
internal sealed record AuditQuestion(AuditQuery Query, int PageSize, string Text);

/// <summary>Between search and wire.</summary>
internal static class AuditSearchMessages
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;
    private const int MaxEvents = 64;

    private static readonly FrozenDictionary<string, AuditEvent> ByName =
        Enum.GetValues<AuditEvent>().ToFrozenDictionary(AuditEvents.NameOf, StringComparer.Ordinal);

    /// <exception cref="Refusal">INVALID_ARGUMENT, INVALID_CONTEXT.</exception>
    public static AuditQuestion Of(SearchRequest request, ContextDigests contexts)
    {
        if (request.Principal.Length > 0 && !Principal.IsName(request.Principal))
        {
            throw Refusal.InvalidArgument("principal", "is not the name of a principal");
        }

        if (request.Key.Length > 0 && !KeyName.TryParse(request.Key, out _))
        {
            throw Refusal.InvalidArgument("key", "is not the name of a key");
        }

        if (request.Type != AuditType.Unspecified && request.Events.Count > 0)
        {
            throw Refusal.InvalidArgument("type", "events have their types already; give one of the two");
        }

        if (!Enum.IsDefined(request.Type) || !Enum.IsDefined(request.Outcome))
        {
            throw Refusal.InvalidArgument(Enum.IsDefined(request.Type) ? "outcome" : "type", "is unknown to this server");
        }

        var from = Nanoseconds(request.StartTime, "start_time") ?? long.MinValue;
        var until = Nanoseconds(request.EndTime, "end_time") ?? long.MaxValue;
        if (from >= until)
        {
            throw Refusal.InvalidArgument("end_time", "must be later than start_time");
        }

        var query = new AuditQuery(
            request.Principal.Length == 0 ? null : request.Principal,
            request.Key.Length == 0 ? null : request.Key,
            EventsOf(request),
            request.Outcome == Protocol.V1.AuditOutcome.Unspecified ? null : (AuditOutcome)request.Outcome,
            DigestOf(request, contexts),
            from, until);
        return new AuditQuestion(query, PageSizeOf(request.PageSize), TextOf(query));
    }

    /// <summary>The places of a page token.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT: null, it is not one of this question.</exception>
    public static Dictionary<int, long> PlacesOf(string? cursor) => cursor is null
        ? throw Refusal.InvalidArgument("page_token", "is not from the answer before, or not of the same question")
        : cursor.Split(' ').Select(place => place.Split(':')).ToDictionary(
            place => int.Parse(place[0], CultureInfo.InvariantCulture), place => long.Parse(place[1], CultureInfo.InvariantCulture));

    /// <summary>The cursor of a page token.</summary>
    public static string TextOf(IReadOnlyDictionary<int, long> places) =>
        string.Join(' ', places.OrderBy(place => place.Key).Select(place => string.Create(CultureInfo.InvariantCulture, $"{place.Key}:{place.Value}")));

    private static byte[]? DigestOf(SearchRequest request, ContextDigests contexts)
    {
        if (request.Context is null)
        {
            return null;
        }

        return request.Context.Entries.Count > 0
            ? contexts.Of(RequestContexts.Require(request.Context, "context"))
            : throw Refusal.InvalidArgument("context", "is empty; leave it away, or give the pairs that the call had");
    }

    private static IReadOnlyList<AuditEvent> EventsOf(SearchRequest request)
    {
        if (request.Type != AuditType.Unspecified)
        {
            return [.. Enum.GetValues<AuditEvent>().Where(each => AuditEvents.TypeOf(each) == (AuditEventType)request.Type)];
        }

        if (request.Events.Count > MaxEvents)
        {
            throw Refusal.InvalidArgument("events", $"at most {MaxEvents}");
        }

        return [.. request.Events.Select((name, i) => ByName.TryGetValue(name, out var auditEvent)
            ? auditEvent
            : throw Refusal.InvalidArgument($"events[{i}]", "this server knows no such event; docs/spec/audit-record.md says where they stand")).Distinct().Order()];
    }

    private static int PageSizeOf(int asked) => asked switch
    {
        0 => DefaultPageSize,
        > 0 and <= MaxPageSize => asked,
        _ => throw Refusal.InvalidArgument("page_size", $"must be 1 to {MaxPageSize}, or 0 for {DefaultPageSize}"),
    };

    private static long? Nanoseconds(Timestamp? time, string field)
    {
        if (time is null)
        {
            return null;
        }

        try
        {
            return time.ToDateTimeOffset() is { Year: >= 1678 and <= 2261 } known ? UnixTime.Nanoseconds(known) : throw NoTime(field);
        }
        catch (InvalidOperationException)
        {
            throw NoTime(field);
        }
    }

    private static Refusal NoTime(string field) => Refusal.InvalidArgument(field, "is no time of the years 1678 to 2261");

    private static string TextOf(AuditQuery query)
    {
        var parts = new List<string>();
        if (query.Principal is { } principal)
        {
            parts.Add($"principal {principal}");
        }

        if (query.Key is { } key)
        {
            parts.Add($"key {key}");
        }

        if (query.Events.Count > 0)
        {
            parts.Add($"events {string.Join(',', query.Events.Select(each => (int)each))}");
        }

        if (query.Outcome is { } outcome)
        {
            parts.Add($"outcome {(int)outcome}");
        }

        if (query.ContextDigest is { } digest)
        {
            parts.Add($"context {Convert.ToHexStringLower(digest)}");
        }

        if (query.From != long.MinValue)
        {
            parts.Add($"from {query.From}");
        }

        if (query.Until != long.MaxValue)
        {
            parts.Add($"until {query.Until}");
        }

        return parts.Count == 0 ? "everything" : string.Join(' ', parts);
    }
}
