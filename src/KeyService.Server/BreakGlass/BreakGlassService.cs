using System.Globalization;
using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using PrincipalType = KeyService.Server.Access.PrincipalType;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.BreakGlass;

/// <summary>The RPCs of break_glass.proto.</summary>
internal sealed class BreakGlassService(
    IStore store, RowAuthenticator rows, BreakGlassRegister register, BreakGlassKeeper keeper, BreakGlassConfiguration configuration, AlarmOutlet alarms)
    : Wire.BreakGlass.BreakGlassBase, IDisposable
{
    private const int MaxReasonLength = 512;

    private readonly BreakGlassTable _table = new(rows);
    private readonly EnvelopeTable _envelopes = new(rows);

    /// <summary>Slow hashes are computed one attempt at a time: they must not take the processor from everybody.</summary>
    private readonly SemaphoreSlim _attempt = new(1);

    [Rpc(Permission.OpenBreakGlass, AuditEvent.BreakGlassAsked, StepUp = true)]
    public override Task<AskBreakGlassResponse> AskBreakGlass(AskBreakGlassRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var reason = TextOf(request.Reason, "reason");
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            await DemandNoneAsync(transaction, call.Principal.Name);
            var use = New(call.Principal.Name, reason, transaction.Time);
            call.Record.Detail = $"{use.IdText}: {reason}";
            await _table.WriteAsync(transaction, use);
            return new AskBreakGlassResponse { Use = ToMessage(use) };
        });
    }

    [Rpc(Permission.OpenBreakGlass, AuditEvent.BreakGlassConfirmed, StepUp = true)]
    public override async Task<ConfirmBreakGlassResponse> ConfirmBreakGlass(ConfirmBreakGlassRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var id = IdOf(request.Id);
        BreakGlassUse? opened = null;
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var before = await FindAsync(transaction, id, request.Id);
            call.Record.Detail = $"{before.IdText} of {before.Principal}: {before.Reason}";
            if (before.Principal == call.Principal.Name)
            {
                throw SessionRefusals.Oneself();
            }

            if (before.State != BreakGlassState.Asked || transaction.Time >= before.AskTime + BreakGlassUse.Confirmation)
            {
                throw Refusal.InvalidArgument("id", "is open already, over, or was asked for more than 15 minutes ago; have it asked for again");
            }

            await DemandNoneAsync(transaction, before.Principal);
            opened = before with
            {
                State = BreakGlassState.Open, ConfirmedBy = call.Principal.Name, OpenTime = transaction.Time, EndTime = transaction.Time + configuration.Length,
                Revision = before.Revision + 1,
            };
            await _table.WriteAsync(transaction, opened);
            var now = opened;
            transaction.OnCommitted(() => register.Apply(now));
            return new ConfirmBreakGlassResponse { Use = ToMessage(opened) };
        });
        if (opened is not null)
        {
            await SayOpenAsync(opened);
        }

        return response;
    }

    [Rpc(Permission.OpenBreakGlass, AuditEvent.BreakGlassSealOpened, BeforeSession = true)]
    public override async Task<OpenSealedBreakGlassResponse> OpenSealedBreakGlass(OpenSealedBreakGlassRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var reason = TextOf(request.Reason, "reason");
        var binding = PersonSession.BindingOf(call.Credentials)
            ?? throw new InvalidOperationException("A principal was found behind a connection that proved nothing.");
        BreakGlassUse? opened = null;
        var spent = false;
        await _attempt.WaitAsync(call.CancellationToken);
        try
        {
            // The slow part before the change, which others wait behind; a set that changed meanwhile is none of these codes'.
            var held = await store.ReadAsync(connection => _envelopes.FindUsableAsync(connection, null, call.CancellationToken), call.CancellationToken);
            var right = held is not null && held.Open(request.FirstCode.Span, request.SecondCode.Span);
            await call.ChangeAsync(async transaction =>
            {
                spent = false;
                await DemandNoneAsync(transaction, call.Principal.Name);
                var set = await _envelopes.FindUsableAsync(transaction.Connection, transaction.Transaction, CancellationToken.None);
                if (set is null || held is null || set.Id != held.Id)
                {
                    return WrongCodes();
                }

                if (!right)
                {
                    spent = set.WrongAttempts + 1 >= SealedEnvelopes.Failures;
                    await _envelopes.WriteAsync(
                        transaction, set with { WrongAttempts = set.WrongAttempts + 1, EndTime = spent ? transaction.Time : null, Revision = set.Revision + 1 });
                    return WrongCodes();
                }

                await _envelopes.WriteAsync(transaction, set with { EndTime = transaction.Time, Revision = set.Revision + 1 });
                opened = New(call.Principal.Name, reason, transaction.Time) with
                {
                    Sealed = true, Binding = binding, State = BreakGlassState.Open, OpenTime = transaction.Time, EndTime = transaction.Time + configuration.Length,
                };
                call.Record.Detail = $"{opened.IdText}, by the envelopes of {set.MakeTime:u}: {reason}";
                await _table.WriteAsync(transaction, opened);
                var now = opened;
                transaction.OnCommitted(() => register.Apply(now));
                return null;
            });
        }
        finally
        {
            _attempt.Release();
            if (spent)
            {
                await alarms.RaiseAsync(
                    AlarmKind.EnvelopesSpent, "envelopes", $"Three wrong attempts used the sealed envelopes up, the last by {call.Principal.Name} from {call.Record.Source}.",
                    CancellationToken.None);
            }
        }

        await SayOpenAsync(opened!);
        await alarms.RaiseAsync(AlarmKind.EnvelopesSpent, "envelopes", "The sealed envelopes were opened; make and hand out new ones.", CancellationToken.None);
        return new OpenSealedBreakGlassResponse { Use = ToMessage(opened!) };
    }

    [Rpc(Permission.OpenBreakGlass, AuditEvent.BreakGlassClosed)]
    public override async Task<EndBreakGlassResponse> EndBreakGlass(EndBreakGlassRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var id = IdOf(request.Id);
        BreakGlassUse? ended = null;
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var before = await FindAsync(transaction, id, request.Id);
            call.Record.Detail = $"{before.IdText} of {before.Principal}";
            if (before.Principal != call.Principal.Name || before.State != BreakGlassState.Open)
            {
                throw Refusal.InvalidArgument("id", "must be an open break-glass of your own");
            }

            ended = before with { State = BreakGlassState.Ended, EndTime = before.IsOpen(transaction.Time) ? transaction.Time : before.EndTime, Revision = before.Revision + 1 };
            await _table.WriteAsync(transaction, ended);
            var now = ended;
            transaction.OnCommitted(() => register.Apply(now));
            return new EndBreakGlassResponse { Use = ToMessage(ended) };
        });
        if (ended is not null)
        {
            await keeper.SayEndedAsync(ended);
        }

        return response;
    }

    [Rpc(Permission.ReviewBreakGlass, AuditEvent.BreakGlassReviewed, StepUp = true)]
    public override async Task<ReviewBreakGlassResponse> ReviewBreakGlass(ReviewBreakGlassRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var id = IdOf(request.Id);
        var note = TextOf(request.Note, "note");
        var verdict = request.Verdict switch
        {
            Wire.BreakGlassVerdict.Justified => BreakGlassVerdict.Justified,
            Wire.BreakGlassVerdict.NotJustified => BreakGlassVerdict.NotJustified,
            _ => throw Refusal.InvalidArgument("verdict", "JUSTIFIED or NOT_JUSTIFIED"),
        };
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var before = await FindAsync(transaction, id, request.Id);
            call.Record.Detail = $"{before.IdText} of {before.Principal}, {verdict}: {note}";
            if (call.Principal.Name == before.Principal || call.Principal.Name == before.ConfirmedBy)
            {
                throw SessionRefusals.Oneself();
            }

            if (!before.AwaitsReview(transaction.Time))
            {
                throw Refusal.InvalidArgument("id", "must be a break-glass that is over and was not reviewed");
            }

            var after = before with
            {
                State = BreakGlassState.Reviewed, ReviewedBy = call.Principal.Name, ReviewTime = transaction.Time, Verdict = verdict, Note = note, Revision = before.Revision + 1,
            };
            await _table.WriteAsync(transaction, after);
            transaction.OnCommitted(() => register.Apply(after));
            return new ReviewBreakGlassResponse { Use = ToMessage(after) };
        });
        await alarms.ClearAsync(AlarmKind.BreakGlassOpen, response.Use.Principal, CancellationToken.None);
        await alarms.ClearAsync(AlarmKind.BreakGlassReviewDue, response.Use.Id, CancellationToken.None);
        return response;
    }

    [Rpc(Permission.ReviewBreakGlass, AuditEvent.BreakGlassListed)]
    public override async Task<ListBreakGlassResponse> ListBreakGlass(ListBreakGlassRequest request, ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        var (uses, envelopes) = await store.ReadAsync(
            async connection => (
                await _table.ListAsync(connection, null, call.CancellationToken),
                await _envelopes.FindUsableAsync(connection, null, call.CancellationToken)),
            call.CancellationToken);
        var response = new ListBreakGlassResponse { EnvelopesMadeTime = envelopes is null ? null : Timestamp.FromDateTimeOffset(envelopes.MakeTime) };
        response.Uses.AddRange(uses.Reverse().Select(ToMessage));
        call.Record.ItemCount = uses.Count;
        return response;
    }

    [Rpc(Permission.ReviewBreakGlass, AuditEvent.BreakGlassEnvelopesMade, StepUp = true)]
    public override async Task<SealBreakGlassResponse> SealBreakGlass(SealBreakGlassRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var (first, second) = (SealedEnvelopes.NewCode(), SealedEnvelopes.NewCode());
        try
        {
            var (firstHash, secondHash) = (SealedEnvelopes.HashOf(first), SealedEnvelopes.HashOf(second));
            await call.ChangeAsync(async transaction =>
            {
                if (await _envelopes.FindUsableAsync(transaction.Connection, transaction.Transaction, CancellationToken.None) is { } before)
                {
                    await _envelopes.WriteAsync(transaction, before with { EndTime = transaction.Time, Revision = before.Revision + 1 });
                }

                await _envelopes.WriteAsync(transaction, new SealedEnvelopes
                {
                    Id = AccessAdministration.NewId(), MadeBy = call.Principal.Name, MakeTime = transaction.Time, First = firstHash, Second = secondHash, WrongAttempts = 0,
                    EndTime = null, Revision = 1,
                });
                return null;
            });
            await alarms.ClearAsync(AlarmKind.EnvelopesSpent, "envelopes", CancellationToken.None);
            return new SealBreakGlassResponse { FirstCode = ByteString.CopyFrom(first), SecondCode = ByteString.CopyFrom(second) };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(first);
            CryptographicOperations.ZeroMemory(second);
        }
    }

    public void Dispose() => _attempt.Dispose();

    private static Call PersonsCall(ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        return call.Principal.Type == PrincipalType.Person ? call : throw new Refusal(Reason.AccessDenied, "Break-glass is for people, who answer for what they do with it.");
    }

    // None that is over may wait for its review, and the person has none open.
    private async Task DemandNoneAsync(IStoreTransaction transaction, string principal)
    {
        foreach (var use in await _table.ListAsync(transaction.Connection, transaction.Transaction, CancellationToken.None))
        {
            if (use.AwaitsReview(transaction.Time))
            {
                throw new Refusal(Reason.ReviewOutstanding,
                    $"Break-glass {use.IdText} of {use.Principal} is over and was not reviewed. Another officer reviews it first (keyservice break-glass review).");
            }

            if (use.Principal == principal && use.IsOpen(transaction.Time))
            {
                throw Refusal.AlreadyExists($"An open break-glass of '{principal}' ({use.IdText})");
            }
        }
    }

    private async Task<BreakGlassUse> FindAsync(IStoreTransaction transaction, ulong id, string text) =>
        await _table.FindAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None) ?? throw Refusal.NotFound($"Break-glass {text}");

    private Task SayOpenAsync(BreakGlassUse use) => alarms.RaiseAsync(
        AlarmKind.BreakGlassOpen, use.Principal,
        $"{use.Principal} opened break-glass {use.IdText} until {use.EndTime:u}, {(use.Sealed ? "by the sealed envelopes" : $"confirmed by {use.ConfirmedBy}")}: {use.Reason}",
        CancellationToken.None);

    private static BreakGlassUse New(string principal, string reason, DateTimeOffset now) => new()
    {
        Id = AccessAdministration.NewId(), Principal = principal, Reason = reason, Sealed = false, Binding = "", State = BreakGlassState.Asked, AskTime = now,
        ConfirmedBy = null, OpenTime = null, EndTime = null, ReviewedBy = null, ReviewTime = null, Verdict = null, Note = null, Revision = 1,
    };

    private static Refusal WrongCodes() => new(Reason.SecondFactorRefused,
        "The two codes do not open anything: one is wrong, they were used or replaced, or there are none. Three wrong attempts use them up.");

    private static string TextOf(string text, string field) => text.Length is > 0 and <= MaxReasonLength && !string.IsNullOrWhiteSpace(text)
        ? OneLine.Of(text, MaxReasonLength)
        : throw Refusal.InvalidArgument(field, $"must be 1 to {MaxReasonLength} characters; no patient data");

    private static ulong IdOf(string text) => text.Length == 16 && ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id)
        ? id
        : throw Refusal.InvalidArgument("id", "16 hexadecimal digits");

    internal static Wire.BreakGlassUse ToMessage(BreakGlassUse use) => new()
    {
        Id = use.IdText,
        Principal = use.Principal,
        Reason = use.Reason,
        Sealed = use.Sealed,
        State = (Wire.BreakGlassState)use.State,
        AskTime = Timestamp.FromDateTimeOffset(use.AskTime),
        ConfirmedBy = use.ConfirmedBy ?? "",
        OpenTime = TimeOrNull(use.OpenTime),
        EndTime = TimeOrNull(use.EndTime),
        ReviewedBy = use.ReviewedBy ?? "",
        ReviewTime = TimeOrNull(use.ReviewTime),
        Verdict = (Wire.BreakGlassVerdict)(use.Verdict ?? 0),
        Note = use.Note ?? "",
        Revision = use.Revision,
    };

    private static Timestamp? TimeOrNull(DateTimeOffset? time) => time is { } value ? Timestamp.FromDateTimeOffset(value) : null;
}
