using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using PrincipalType = KeyService.Server.Access.PrincipalType;

namespace KeyService.Server.Sessions;

/// <summary>The RPCs of sessions.proto.</summary>
internal sealed class SessionsService(IStore store, RowAuthenticator rows, SecondFactors factors, AccessRegister access, AlarmOutlet alarms, TimeProvider time)
    : Protocol.V1.Sessions.SessionsBase
{
    private const int MostListed = 1000;
    private const int IssuerDigits = 8;

    private readonly SecondFactorTable _factorTable = new(rows);
    private readonly SessionTable _table = new(rows);

    [Rpc(Permission.None, AuditEvent.SecondFactorOffered, BeforeSession = true)]
    public override async Task<OfferSecondFactorResponse> OfferSecondFactor(OfferSecondFactorRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var issuer = await IssuerAsync(call.CancellationToken);
        var seed = new byte[OneTimePassword.SeedLength];
        RandomNumberGenerator.Fill(seed);
        try
        {
            await call.ChangeAsync(async transaction =>
            {
                await factors.OfferAsync(transaction, call.Principal.Name, seed);
                return null;
            });
            return new OfferSecondFactorResponse { Seed = ByteString.CopyFrom(seed), Issuer = issuer, Account = call.Principal.Name };
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    [Rpc(Permission.None, AuditEvent.SecondFactorActivated, BeforeSession = true)]
    public override async Task<ActivateSecondFactorResponse> ActivateSecondFactor(ActivateSecondFactorRequest request, ServerCallContext context)
    {
        var (token, session) = await OpenAsync(PersonsCall(context), SecondFactorState.Offered, request.Code);
        return new ActivateSecondFactorResponse { Token = token, Session = session.ToMessage() };
    }

    [Rpc(Permission.None, AuditEvent.SessionOpened, BeforeSession = true)]
    public override async Task<OpenSessionResponse> OpenSession(OpenSessionRequest request, ServerCallContext context)
    {
        var (token, session) = await OpenAsync(PersonsCall(context), SecondFactorState.Active, request.Code);
        return new OpenSessionResponse { Token = token, Session = session.ToMessage() };
    }

    [Rpc(Permission.None, AuditEvent.SessionConfirmed)]
    public override async Task<ConfirmSessionResponse> ConfirmSession(ConfirmSessionRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var own = SessionOf(call);
        PersonSession? after = null;
        await WithCodeAsync(call, SecondFactorState.Active, request.Code, async transaction =>
        {
            var before = await OpenOneAsync(transaction, own.TokenHash);
            after = before with { ProofTime = transaction.Time, LastUseTime = transaction.Time, Revision = before.Revision + 1 };
            await _table.WriteAsync(transaction, after);
        });
        return new ConfirmSessionResponse { Session = after!.ToMessage() };
    }

    [Rpc(Permission.None, AuditEvent.SessionClosed)]
    public override async Task<CloseSessionResponse> CloseSession(CloseSessionRequest request, ServerCallContext context)
    {
        var call = PersonsCall(context);
        var own = SessionOf(call);
        call.Record.Detail = $"session {own.Id}";
        await call.ChangeAsync(async transaction =>
        {
            var before = await OpenOneAsync(transaction, own.TokenHash);
            await _table.WriteAsync(transaction, before.Over(SessionEnd.Closed, transaction.Time, call.Principal.Name));
            return null;
        });
        return new CloseSessionResponse();
    }

    [Rpc(Permission.None, AuditEvent.OwnSessionRead)]
    public override Task<GetOwnSessionResponse> GetOwnSession(GetOwnSessionRequest request, ServerCallContext context) =>
        Task.FromResult(new GetOwnSessionResponse { Session = SessionOf(PersonsCall(context)).ToMessage() });

    [Rpc(Permission.AdministerPeople, AuditEvent.SessionsListed)]
    public override async Task<ListSessionsResponse> ListSessions(ListSessionsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var now = time.GetUtcNow();
        var open = await store.ReadAsync(
            connection => _table.ListOpenAsync(connection, null, request.Principal, now, call.CancellationToken), call.CancellationToken);
        var response = new ListSessionsResponse();
        response.Sessions.AddRange(open.Where(Stands).Take(MostListed).Select(SessionMessages.ToMessage));
        call.Record.ItemCount = response.Sessions.Count;
        return response;

        bool Stands(PersonSession session) =>
            session.OverAt(now) is null && access.Current.Principals.TryGetValue(session.Principal, out var person) && !person.Disabled;
    }

    [Rpc(Permission.AdministerPeople, AuditEvent.SessionEndedByOfficer)]
    public override Task<EndSessionResponse> EndSession(EndSessionRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var id = SessionMessages.IdOf(request);
        call.Record.Detail = $"session {id}";
        return call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var open = await _table.ListOpenAsync(transaction.Connection, transaction.Transaction, principal: "", transaction.Time, CancellationToken.None);
            var before = open.SingleOrDefault(each => each.Id == id) ?? throw Refusal.NotFound($"An open session {id}");
            call.Record.Detail = $"session {id} of {before.Principal}";
            await _table.WriteAsync(transaction, before.Over(SessionEnd.Ended, transaction.Time, call.Principal.Name));
            return new EndSessionResponse();
        });
    }

    [Rpc(Permission.AdministerPeople, AuditEvent.SecondFactorsListed)]
    public override async Task<ListSecondFactorsResponse> ListSecondFactors(ListSecondFactorsRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var now = time.GetUtcNow();
        var all = await store.ReadAsync(connection => _factorTable.ListAsync(connection, call.CancellationToken), call.CancellationToken);
        var response = new ListSecondFactorsResponse();
        response.SecondFactors.AddRange(all.Select(each => each.ToMessage(now)));
        call.Record.ItemCount = all.Count;
        return response;
    }

    [Rpc(Permission.AdministerPeople, AuditEvent.PersonUnlocked, StepUp = true)]
    public override async Task<UnlockPersonResponse> UnlockPerson(UnlockPersonRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        call.Record.Detail = $"person {OneLine.Of(request.Principal, 64)}";
        var response = await call.MutateAsync(request.RequestId, request, async transaction => new UnlockPersonResponse
        {
            SecondFactor = (await factors.UnlockAsync(transaction, request.Principal, call.Principal.Name)).ToMessage(transaction.Time),
        });
        await alarms.ClearAsync(AlarmKind.PersonLocked, request.Principal, CancellationToken.None);
        return response;
    }

    [Rpc(Permission.AdministerPeople, AuditEvent.SecondFactorReset, StepUp = true)]
    public override async Task<ResetSecondFactorResponse> ResetSecondFactor(ResetSecondFactorRequest request, ServerCallContext context)
    {
        var call = Authorized(context);
        var person = OneLine.Of(request.Principal, 64);
        var response = await call.MutateAsync(request.RequestId, request, async transaction =>
        {
            var after = await factors.ResetAsync(transaction, request.Principal, call.Principal.Name);
            call.Record.Detail = after.State == SecondFactorState.Removed
                ? $"second factor of {person} taken away; {after.ResetAskedBy} asked for it, {call.Principal.Name} confirmed"
                : $"{after.ResetAskedBy} asks to take the second factor of {person} away; another officer confirms";
            return new ResetSecondFactorResponse { SecondFactor = after.ToMessage(transaction.Time) };
        });
        if (response.SecondFactor.State == Protocol.V1.SecondFactorState.Removed)
        {
            await alarms.ClearAsync(AlarmKind.PersonLocked, request.Principal, CancellationToken.None);
        }

        return response;
    }

    private static Call Authorized(ServerCallContext context)
    {
        var call = Call.Of(context);
        call.Authorize(keyName: null, context: null);
        return call;
    }

    private static Call PersonsCall(ServerCallContext context)
    {
        var call = Authorized(context);
        return call.Principal.Type == PrincipalType.Person
            ? call
            : throw SessionRefusals.NotAPerson();
    }

    // Where no second factor is required, a call may have come without one.
    private static PersonSession SessionOf(Call call) => call.Session ?? throw SessionRefusals.Required();

    private async Task<PersonSession> OpenOneAsync(IStoreTransaction transaction, string tokenHash) =>
        await _table.FindAsync(transaction.Connection, transaction.Transaction, tokenHash, CancellationToken.None) is { EndTime: null } session
            ? session
            : throw SessionRefusals.Required();

    private async Task<(ByteString Token, PersonSession Session)> OpenAsync(Call call, SecondFactorState wanted, ByteString code)
    {
        var binding = PersonSession.BindingOf(call.Credentials)
            ?? throw new InvalidOperationException("A principal was found behind a connection that proved nothing.");
        var token = new byte[SessionLimits.TokenLength];
        RandomNumberGenerator.Fill(token);
        var hash = Convert.ToHexStringLower(SHA256.HashData(token));
        PersonSession? session = null;
        await WithCodeAsync(call, wanted, code, async transaction =>
        {
            session = new PersonSession
            {
                TokenHash = hash,
                Principal = call.Principal.Name,
                Binding = binding,
                OpenTime = transaction.Time,
                LastUseTime = transaction.Time,
                ProofTime = transaction.Time,
                EndTime = null,
                End = null,
                EndedBy = null,
                Revision = 1,
            };
            await _table.WriteAsync(transaction, session);
            call.Record.Detail = $"session {session.Id}";
        });
        var answer = ByteString.CopyFrom(token);
        CryptographicOperations.ZeroMemory(token);
        return (answer, session!);
    }

    // The code is used up, or the failure counted, in the same commit as what follows from it; a refusal is answered when that is durable.
    private async Task WithCodeAsync(Call call, SecondFactorState wanted, ByteString code, Func<IStoreTransaction, Task> change)
    {
        var number = SessionMessages.CodeOf(code);
        var verdict = CodeVerdict.Wrong;
        var firstFactor = call.Record.Authentication.Split('+')[0];
        try
        {
            await call.ChangeAsync(async transaction =>
            {
                verdict = await factors.CheckAsync(transaction, call.Principal.Name, wanted, number);
                switch (verdict)
                {
                    case CodeVerdict.Right:
                        call.Record.Authentication = firstFactor + PersonGate.WithFreshCode;
                        await change(transaction);
                        return null;
                    case CodeVerdict.Locks:
                        call.Record.Detail = "the third wrong code in a row: locked";
                        return SessionRefusals.Locked();
                    default:
                        return verdict == CodeVerdict.Locked ? SessionRefusals.Locked() : SessionRefusals.WrongCode();
                }
            });
        }
        finally
        {
            if (verdict == CodeVerdict.Locks)
            {
                await alarms.RaiseAsync(
                    AlarmKind.PersonLocked, call.Principal.Name,
                    $"{call.Principal.Name} gave {SessionLimits.Failures} wrong codes in a row, the last from {call.Record.Source}, and is locked.", CancellationToken.None);
            }
        }
    }

    private async Task<string> IssuerAsync(CancellationToken cancellationToken)
    {
        var installation = await Installation.ReadAsync(store, cancellationToken)
            ?? throw new StoreTamperedException("installation", "1", "the row is missing");
        return $"KeyService {Convert.ToHexStringLower(installation.Id)[..IssuerDigits]}";
    }
}
