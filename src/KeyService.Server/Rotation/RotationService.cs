using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyState = KeyService.Server.Keys.KeyState;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Rotation;

/// <summary>RPCs of rotation.proto.</summary>
internal sealed class RotationService(
    RotationLedger ledger, KeyQueries queries, RotationWorker worker, PageTokens pages, TimeProvider time) : Wire.Rotation.RotationBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;

    /// <summary>Names looked at for one page, as in ListKeys.</summary>
    private const int MaxNamesLookedAt = 10_000;

    [Rpc(Permission.ReadKey, AuditEvent.KeyAgesListed)]
    public override async Task<ListKeyAgesResponse> ListKeyAges(ListKeyAgesRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var pageSize = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", "must be 1 to 1,000, or 0 for 100"),
        };
        var until = RequireUntil(request.Until);
        var filter = until.UtcTicks.ToString(CultureInfo.InvariantCulture);
        call.Authorize(null, null);
        var place = await OpenAsync(request.PageToken, filter, call);
        var response = new ListKeyAgesResponse();
        var lookedAt = 0;
        var atEnd = false;
        while (!atEnd && response.Keys.Count < pageSize && lookedAt < MaxNamesLookedAt)
        {
            var page = await ledger.ListAsync(until, place, pageSize - response.Keys.Count, call.CancellationToken);
            atEnd = page.Count == 0;
            lookedAt += page.Count;
            place = page is [.., var last] ? last : place;
            var covered = page.Select(each => each.Name).Where(name => call.Covers(name, null)).ToList();
            response.Keys.AddRange((await queries.FindAsync(covered, call.CancellationToken)).Select(facts => ToWire(facts, time.GetUtcNow())));
        }

        call.Record.ItemCount = response.Keys.Count;
        response.NextPageToken = atEnd
            ? ""
            : await pages.SealAsync(
                nameof(ListKeyAges), filter, string.Create(CultureInfo.InvariantCulture, $"{place.At} {place.Name}"), call.CancellationToken);
        return response;
    }

    [Rpc(Permission.ReadSystem, AuditEvent.RotationStatusRead)]
    public override async Task<GetRotationStatusResponse> GetRotationStatus(GetRotationStatusRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(null, null);
        var counts = await ledger.CountAsync(time.GetUtcNow(), call.CancellationToken);
        return new GetRotationStatusResponse
        {
            Keys = counts.Keys,
            Due = counts.Due,
            Near = counts.Near,
            ToPrepare = counts.ToPrepare,
            OldestDueTime = ToWire(counts.OldestDueAt),
            NextTime = ToWire(counts.NextAt),
            RotatesHere = worker.RotatesHere,
            LastLookTime = worker.LastLook is { } look ? Timestamp.FromDateTimeOffset(look) : null,
        };
    }

    /// <summary>Where a key stands between its last rotation and its limit.</summary>
    internal static KeyAgeStanding StandingOf(KeyRow key, KeyVersionRow primary, DateTimeOffset now)
    {
        if (primary is not { State: KeyState.Active, ActivateTime: { } activated })
        {
            return KeyAgeStanding.NotProtecting;
        }

        return now > key.Rotation.LimitAt(activated) ? KeyAgeStanding.Overdue
            : now >= key.RotateTime ? KeyAgeStanding.Due
            : now >= key.WarnTime ? KeyAgeStanding.Near
            : KeyAgeStanding.Fresh;
    }

    private static KeyAge ToWire(KeyFacts facts, DateTimeOffset now)
    {
        var primary = KeyMessages.ToWire(facts.Primary, facts.Row);
        return new KeyAge
        {
            Name = facts.Row.Name,
            Version = primary.Id,
            State = primary.State,
            Standing = StandingOf(facts.Row, facts.Primary.Row, now),
            ActivateTime = primary.ActivateTime,
            RotateTime = facts.Row.RotateTime is { } planned ? Timestamp.FromDateTimeOffset(planned) : null,
            LimitTime = primary.LimitTime,
            WaitingVersions = (int)facts.Row.WaitingVersions,
            WrapsReserved = primary.WrapsReserved,
        };
    }

    private async Task<CalendarPlace> OpenAsync(string token, string filter, Call call)
    {
        if (token.Length == 0)
        {
            return CalendarPlace.Start;
        }

        var cursor = await pages.OpenAsync(nameof(ListKeyAges), filter, token, call.CancellationToken) ?? throw BadPageToken();
        var space = cursor.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && long.TryParse(cursor.AsSpan(0, space), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var at)
            ? new CalendarPlace(at, cursor[(space + 1)..])
            : throw BadPageToken();
    }

    // The furthest time that a row can hold (2262) less a day.
    private static readonly DateTimeOffset Forever = new(2262, 4, 10, 0, 0, 0, TimeSpan.Zero);

    private static DateTimeOffset RequireUntil(Timestamp? until)
    {
        try
        {
            return until?.ToDateTimeOffset() is not { } asked ? Forever : asked < DateTimeOffset.UnixEpoch || asked > Forever
                ? throw Refusal.InvalidArgument("until", "must be between 1970 and 2262")
                : asked;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw Refusal.InvalidArgument("until", "is not a time");
        }
    }

    private static Timestamp? ToWire(long? nanoseconds) =>
        nanoseconds is { } value ? Timestamp.FromDateTimeOffset(UnixTime.FromNanoseconds(value)) : null;

    private static Refusal BadPageToken() =>
        Refusal.InvalidArgument("page_token", "must be the next_page_token of an answer to the same list with the same filter");
}
