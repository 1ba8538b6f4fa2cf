using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Holdings;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyState = KeyService.Server.Keys.KeyState;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Destruction;

/// <summary>RPCs of destruction.proto.</summary>
internal sealed class DestructionsService(
    IStore store, RowAuthenticator rows, VersionUses uses, DestructionScan scan, KeyChanges changes, AlarmOutlet alarms, PageTokens pages, TimeProvider time)
    : Wire.Destructions.DestructionsBase
{
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1000;
    private const int MostVersions = 1000;
    private const int MostNamed = 10;
    private const long DaySeconds = 86_400;

    private readonly DestructionTable _table = new(rows);
    private readonly KeyTables _keys = new(rows);

    [Rpc(Permission.DestroyKey, AuditEvent.DestructionScheduled, PerKey = true, StepUp = true)]
    public override async Task<ScheduleDestructionResponse> ScheduleDestruction(ScheduleDestructionRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var name = KeyName.Require(request.Key, "key").Value;
        call.Authorize(name, null);
        var wait = RequireWait(request.Wait);
        var reason = HoldingMessages.Text(request.Reason, "reason");
        var versions = await RequireVersionsAsync(request, name, call.CancellationToken);
        var now = time.GetUtcNow();
        var wanted = new DestructionRow(
            AccessAdministration.NewId(), name, versions, request.WholeKey, reason, DestructionState.Waiting, call.Principal.Name, now, now + wait,
            EndedBy: null, EndTime: null, Uses: 0, LastUseTime: null, Certificate: [], Revision: 1);

        // Looked for before the change: reading may take its time, a change must not. What comes to need a version in between shows at the end.
        var needed = await scan.DependenciesAsync(versions, call.CancellationToken);
        if (needed.Count > 0)
        {
            throw new Refusal(
                Reason.StillNeeded,
                $"Still needed: {string.Join("; ", needed.Take(MostNamed).Select(each => $"version {each.Version} by {each.Dependency.Subject} ({each.Dependency.Detail})"))}"
                + (needed.Count > MostNamed ? $"; and {needed.Count - MostNamed} more. " : ". ")
                + "Re-wrap or re-encrypt what stands under it (keyservice campaign), have it scanned, and ask again.");
        }

        var certificate = await scan.CertifyAsync(wanted, needed, call.CancellationToken);
        call.Record.KeyVersion = versions[0];
        call.Record.ItemCount = versions.Count;
        call.Record.Detail = $"destruction {wanted.IdText} of {VersionList.Format(versions.Take(MostNamed))}, due {wanted.DueTime:u}: {reason}";
        return await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            foreach (var open in await _table.ListOpenAsync(transaction.Connection, transaction.Transaction, CancellationToken.None))
            {
                if (open.Versions.Intersect(versions).Any())
                {
                    throw Refusal.AlreadyExists($"A destruction of one of these versions ({open.IdText})");
                }
            }

            var row = wanted with { AskTime = transaction.Time, DueTime = transaction.Time + wait, Certificate = certificate };
            await _table.InsertAsync(transaction, row);
            transaction.OnCommitted(() => uses.WatchAlso(versions));
            return new ScheduleDestructionResponse { Destruction = ToWire(row) };
        });
    }

    [Rpc(Permission.DestroyKey, AuditEvent.DestructionCancelled, PerKey = true)]
    public override async Task<CancelDestructionResponse> CancelDestruction(CancelDestructionRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var found = await FindGrantedAsync(request.Id, call);
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var before = await _table.FindAsync(transaction.Connection, transaction.Transaction, found.Id, CancellationToken.None) ?? throw Refusal.AccessDenied();
            if (before.State is DestructionState.Blocked or DestructionState.Destroyed)
            {
                throw Refusal.InvalidArgument(
                    "id", $"is a destruction that has ended already: {(before.State == DestructionState.Blocked ? "something still needed a version" : "its versions are destroyed")}");
            }

            var after = before.State == DestructionState.Cancelled ? before : Cancelled(before, call.Principal.Name, transaction.Time);
            if (after != before)
            {
                await _table.UpdateAsync(transaction, after);
            }

            return new CancelDestructionResponse { Destruction = ToWire(after) };
        });
        await alarms.ClearAsync(AlarmKind.DestroyingKeyInUse, found.Key, CancellationToken.None);
        return response;
    }

    [Rpc(Permission.DestroyKey, AuditEvent.KeyVersionsDestroyed, PerKey = true, StepUp = true, Quorum = QuorumRule.Always)]
    public override async Task<CompleteDestructionResponse> CompleteDestruction(CompleteDestructionRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var found = await FindGrantedAsync(request.Id, call);
        if (request.Key != found.Key || !request.KeyVersions.SequenceEqual(found.Versions.Select(each => each.ToString())))
        {
            throw Refusal.InvalidArgument("key_versions", "must be exactly the key and the versions of the destruction, in its order: they are what officers approve");
        }

        // One that is destroyed goes on: the same request is answered again.
        if (found.State is not (DestructionState.PendingApproval or DestructionState.Destroyed))
        {
            throw NotReady(found);
        }

        var needed = found.State == DestructionState.Destroyed ? [] : await scan.DependenciesAsync(found.Versions, call.CancellationToken);
        if (needed.Count > 0)
        {
            throw new Refusal(
                Reason.StillNeeded,
                $"Still needed: {string.Join("; ", needed.Take(MostNamed).Select(each => $"version {each.Version} by {each.Dependency.Subject} ({each.Dependency.Detail})"))}. "
                + "Nothing is destroyed; move what stands under it (keyservice campaign), or cancel the destruction.");
        }

        call.Record.ItemCount = found.Versions.Count;
        call.Record.Detail = $"destruction {found.IdText} of {VersionList.Format(found.Versions.Take(MostNamed))}: {found.Reason}";
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var before = await _table.FindAsync(transaction.Connection, transaction.Transaction, found.Id, CancellationToken.None) ?? throw Refusal.AccessDenied();
            if (before.State != DestructionState.PendingApproval || before.Uses != found.Uses)
            {
                throw NotReady(before);
            }

            await changes.DestroyAsync(
                transaction, before.Key, before.Versions, new StateChange(transaction.Time, call.Principal.Name, $"destruction {before.IdText}: {before.Reason}"));
            var certificate = Destroyed(DestructionCertificate.Parser.ParseFrom(before.Certificate), call, transaction.Time);
            var after = before with
            {
                State = DestructionState.Destroyed, EndedBy = call.Principal.Name, EndTime = transaction.Time,
                Certificate = Google.Protobuf.MessageExtensions.ToByteArray(certificate), Revision = before.Revision + 1,
            };
            await _table.UpdateAsync(transaction, after);
            return new CompleteDestructionResponse { Destruction = ToWire(after), Certificate = certificate };
        });
        await alarms.ClearAsync(AlarmKind.DestroyingKeyInUse, found.Key, CancellationToken.None);
        return response;
    }

    [Rpc(Permission.DestroyKey, AuditEvent.DestructionRead, PerKey = true)]
    public override async Task<GetDestructionResponse> GetDestruction(GetDestructionRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var found = await FindGrantedAsync(request.Id, call);
        return new GetDestructionResponse { Destruction = ToWire(found), Certificate = DestructionCertificate.Parser.ParseFrom(found.Certificate) };
    }

    [Rpc(Permission.DestroyKey, AuditEvent.DestructionsListed)]
    public override async Task<ListDestructionsResponse> ListDestructions(ListDestructionsRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        var size = request.PageSize switch
        {
            0 => DefaultPageSize,
            > 0 and <= MaxPageSize => request.PageSize,
            _ => throw Refusal.InvalidArgument("page_size", "must be 1 to 1,000, or 0 for 100"),
        };
        call.Authorize(null, null);
        var after = request.PageToken.Length == 0
            ? long.MinValue
            : long.Parse(
                await pages.OpenAsync(nameof(ListDestructions), "", request.PageToken, call.CancellationToken)
                    ?? throw Refusal.InvalidArgument("page_token", "must be the next_page_token of an answer to the same list"),
                CultureInfo.InvariantCulture);
        var page = await store.ReadAsync(connection => _table.ListAsync(connection, after, size + 1, call.CancellationToken), call.CancellationToken);
        var response = new ListDestructionsResponse();
        response.Destructions.AddRange(page.Take(size).Where(each => call.Covers(each.Key, null)).Select(ToWire));
        if (page.Count > size)
        {
            response.NextPageToken = await pages.SealAsync(
                nameof(ListDestructions), "", unchecked((long)page[size - 1].Id).ToString(CultureInfo.InvariantCulture), call.CancellationToken);
        }

        call.Record.ItemCount = response.Destructions.Count;
        return response;
    }

    private static DestructionRow Cancelled(DestructionRow before, string by, DateTimeOffset now)
    {
        var certificate = DestructionCertificate.Parser.ParseFrom(before.Certificate);
        certificate.Statement = DestructionScan.StatementOf(DestructionState.Cancelled);
        return before with
        {
            State = DestructionState.Cancelled, EndedBy = by, EndTime = now, Certificate = Google.Protobuf.MessageExtensions.ToByteArray(certificate),
            Revision = before.Revision + 1,
        };
    }

    private static Refusal NotReady(DestructionRow destruction) => new(
        Reason.KeyState,
        destruction.State switch
        {
            DestructionState.Waiting => $"The waiting period ends {destruction.DueTime:u}: nothing is destroyed before.",
            DestructionState.PendingApproval => "A version was used in this moment: nothing is destroyed. Look who uses it.",
            _ => $"The destruction has ended as {destruction.State.ToString().ToLowerInvariant()}.",
        });

    private static DestructionCertificate Destroyed(DestructionCertificate certificate, Call call, DateTimeOffset now)
    {
        certificate.Destroyed = true;
        certificate.ScanTime = Timestamp.FromDateTimeOffset(now);
        certificate.Statement = DestructionScan.StatementOf(DestructionState.Destroyed)
            + (call.Approval is { } approval ? $" Approved by {string.Join(", ", approval.Officers)} (approval {approval.Id})." : "");
        foreach (var version in certificate.Versions)
        {
            version.State = Wire.KeyState.Destroyed;
        }

        var kept = certificate.Copies.Where(copy => !copy.Place.StartsWith(DestructionScan.InThisStore, StringComparison.Ordinal)).ToList();
        certificate.Copies.Clear();
        certificate.Copies.AddRange(kept);
        return certificate;
    }

    private async Task<DestructionRow> FindGrantedAsync(string idText, Call call)
    {
        if (idText.Length != 16 || !ulong.TryParse(idText, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id))
        {
            throw Refusal.InvalidArgument("id", "must be 16 hexadecimal digits");
        }

        var found = await store.ReadAsync(connection => _table.FindAsync(connection, null, id, call.CancellationToken), call.CancellationToken)
            ?? throw Refusal.AccessDenied();
        call.Authorize(found.Key, null);
        call.Record.KeyVersion = found.Versions[0];
        call.Record.Detail = $"destruction {found.IdText}";
        return found;
    }

    private static TimeSpan RequireWait(Duration? wait) => wait is { Nanos: 0, Seconds: >= 7 * DaySeconds and <= 30 * DaySeconds }
        ? TimeSpan.FromSeconds(wait.Seconds)
        : throw Refusal.InvalidArgument("wait", "must be 7 to 30 days in whole seconds");

    private async Task<IReadOnlyList<KeyVersionId>> RequireVersionsAsync(ScheduleDestructionRequest request, string key, CancellationToken cancellationToken)
    {
        if (request.WholeKey != (request.KeyVersions.Count == 0) || request.KeyVersions.Count > MostVersions)
        {
            throw Refusal.InvalidArgument("key_versions", "must be 1 to 1,000 versions, or empty with whole_key");
        }

        var all = await store.ReadAsync(
            async connection => await _keys.FindKeyAsync(connection, null, key, cancellationToken) is null
                ? null
                : await _keys.ListVersionsAsync(
                    connection, key, KeyVersionPlace.Start.CreatedAt, KeyVersionPlace.Start.Id, MostVersions + 1, cancellationToken),
            cancellationToken) ?? throw Refusal.AccessDenied();
        if (request.WholeKey)
        {
            return all.Count <= MostVersions
                ? [.. all.Where(version => version.State != KeyState.Destroyed).Select(version => version.Id).Order()]
                : throw Refusal.InvalidArgument("whole_key", "names at most 1,000 versions; destroy the older ones first");
        }

        var chosen = request.KeyVersions.Select((text, index) => HoldingMessages.Version(text, $"key_versions[{index}]")).Distinct().Order().ToList();
        foreach (var id in chosen)
        {
            var version = all.FirstOrDefault(each => each.Id == id)
                ?? throw Refusal.InvalidArgument("key_versions", $"{id} must be a version of {key}");
            if (version.State is KeyState.PreActivation or KeyState.Destroyed)
            {
                throw new Refusal(Reason.KeyState, $"Version {id} was destroyed already, or waits to be activated: there is nothing to destroy.");
            }
        }

        return chosen;
    }

    internal static Wire.Destruction ToWire(DestructionRow row)
    {
        var message = new Wire.Destruction
        {
            Id = row.IdText,
            Key = row.Key,
            WholeKey = row.WholeKey,
            Reason = row.Reason,
            State = (Wire.DestructionState)row.State,
            AskedBy = row.AskedBy,
            AskTime = Timestamp.FromDateTimeOffset(row.AskTime),
            DueTime = Timestamp.FromDateTimeOffset(row.DueTime),
            EndedBy = row.EndedBy ?? "",
            EndTime = HoldingMessages.Time(row.EndTime),
            Uses = row.Uses,
            LastUseTime = HoldingMessages.Time(row.LastUseTime),
            Revision = row.Revision,
        };
        message.KeyVersions.AddRange(row.Versions.Select(each => each.ToString()));
        return message;
    }
}
