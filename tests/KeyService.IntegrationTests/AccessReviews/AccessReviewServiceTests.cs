using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Net.Client;
using KeyService.Crypto;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Logs;
using KeyService.IntegrationTests.Alarms;
using KeyService.IntegrationTests.Rotation;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using Microsoft.Data.Sqlite;
using AuditOutcome = KeyService.Crypto.AuditOutcome;
using AuditRecord = KeyService.Crypto.AuditRecord;
using Wire = KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.AccessReviews;

/// <summary>
/// Reviews of access by the real server on SoftHSM, over its RPCs; where a review ends, libfaketime moves the server's clock while it is down.
/// </summary>
public sealed class AccessReviewServiceTests : IAsyncLifetime
{
    private readonly ServiceFixture _service = new();
    private readonly List<GrpcChannel> _channels = [];
    private MovedClock? _clock;
    private GrpcChannel _administrator = null!;
    private Wire.AccessReviews.AccessReviewsClient _reviews = null!;

    public async ValueTask InitializeAsync()
    {
        Infrastructure.RequireSoftHsm();
        Infrastructure.RequireTool("openssl", "openssl");
        await _service.ProvisionAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _channels.ForEach(each => each.Dispose());
        await _service.DisposeAsync();
    }

    [Fact]
    public async Task Managers_attest_what_they_saw_and_what_they_suspend_ends_at_once()
    {
        await BeginAsync();
        var key = (await Calls.NewKeyAsync(_service)).Name;
        var started = await StartAsync(("administrator", "dave"), ("database", "dave"), ("backup", "administrator"), ("dave", "erin"), ("gone", "dave"));
        Assert.Equal(["backup", "erin"], started.Orphans);
        Assert.Equal(["gone"], started.NotActive);
        Assert.Empty(started.ManagersWithoutPermission);
        var (dave, erin) = (ClientOf("dave"), ClientOf("erin"));

        // Each sees what is his; a service attests nothing, whatever it was granted.
        Assert.Equal(["administrator", "database"], (await dave.ListOwnAccessReviewItemsAsync(new())).Items.Select(each => each.Principal));
        var database = (await dave.ListOwnAccessReviewItemsAsync(new())).Items[1];
        Assert.Equal(["database"], database.Grants.Select(each => each.Principal).Distinct());
        await Calls.RefusedAsync(Reason.NotTheReviewer, erin.AttestAccessAsync(Attest(database, AccessReviewVerdict.Keep)));
        await Calls.RefusedAsync(Reason.NotTheReviewer, dave.AttestAccessAsync(Attest(new AccessReviewItem { Principal = "dave", AccessDigest = database.AccessDigest }, AccessReviewVerdict.Keep)));
        await Calls.RefusedAsync(Reason.AccessDenied, _reviews.AttestAccessAsync(Attest(database, AccessReviewVerdict.Keep)));
        await Calls.RefusedAsync(Reason.AccessDenied, dave.ListAccessReviewItemsAsync(new()));
        await GrantAsync("backup", "attest-access");
        await Calls.RefusedAsync(Reason.AccessDenied, ClientOf("backup").AttestAccessAsync(Attest(database, AccessReviewVerdict.Keep)));
        await Calls.RefusedAsync(Reason.InvalidArgument, dave.AttestAccessAsync(Attest(database, AccessReviewVerdict.Suspend)));
        await Calls.RefusedAsync(Reason.InvalidArgument, dave.AttestAccessAsync(Attest(database, AccessReviewVerdict.SuspendedAtDeadline)));

        // What changes after it was seen is seen again.
        await GrantAsync("database", "encrypt");
        await Calls.RefusedAsync(Reason.AccessChanged, dave.AttestAccessAsync(Attest(database, AccessReviewVerdict.Keep)));
        database = (await dave.ListOwnAccessReviewItemsAsync(new())).Items[1];

        // An open stream ends with the suspension, and a repeated request is answered as before.
        using var call = new Cipher.CipherClient(Connect("database")).EncryptStream();
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key } });
        await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1 << 20]) });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        var suspend = Attest(database, AccessReviewVerdict.Suspend, "the old EHR");
        var item = (await dave.AttestAccessAsync(suspend)).Item;
        Assert.Equal((AccessReviewVerdict.Suspend, "dave", "the old EHR"), (item.Verdict, item.AttestedBy, item.Note));
        Assert.Equal(item, (await dave.AttestAccessAsync(suspend)).Item);
        await Calls.RefusedAsync(Reason.AccessDenied, async () =>
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
            }
        });
        await Calls.RefusedAsync(Reason.UnknownPrincipal, new Access.AccessClient(Connect("database")).WhoAmIAsync(new WhoAmIRequest()));
        await Calls.RefusedAsync(Reason.AccessReviewClosed, dave.AttestAccessAsync(Attest(database, AccessReviewVerdict.Keep)));

        // Orphans: to a person, not to whoever started it or gives it away.
        await Calls.RefusedAsync(Reason.InvalidArgument, _reviews.ReassignAccessReviewAsync(Reassign("backup", "administrator")));
        await Calls.RefusedAsync(Reason.InvalidArgument, _reviews.ReassignAccessReviewAsync(Reassign("erin", "erin")));
        Assert.False((await _reviews.ReassignAccessReviewAsync(Reassign("backup", "erin"))).ManagerWithoutPermission);
        await _reviews.ReassignAccessReviewAsync(Reassign("erin", "dave"));
        await Calls.RefusedAsync(Reason.ReviewIncomplete, _reviews.CloseAccessReviewAsync(new CloseAccessReviewRequest { RequestId = Calls.NewRequestId() }));
        await AttestAllAsync(dave);
        await AttestAllAsync(erin);
        var close = new CloseAccessReviewRequest { RequestId = Calls.NewRequestId() };
        var closed = (await _reviews.CloseAccessReviewAsync(close)).Review;
        Assert.Equal(closed, (await _reviews.CloseAccessReviewAsync(close)).Review);
        Assert.Equal((false, "administrator", 4, 1, 0), (closed.Open, closed.ClosedBy, closed.Kept, closed.Suspended, closed.Pending));

        // Every one of these stands in the log under its event, with the digest of the result.
        var result = await ResultAsync();
        Assert.Equal("suspend", result.Entries.Single(each => each.Principal == "database").Verdict);
        var records = await RecordsAsync();
        var start = records.First(record => record.EventId == (ushort)AuditEvent.AccessReviewStarted);
        Assert.Equal((AuditOutcome.Success, 5UL, closed.Id), (start.Outcome, start.ItemCount, start.Detail!.Split(' ', ',')[1]));
        Assert.Contains(records, record => record.EventId == (ushort)AuditEvent.AccessAttested && record.Detail?.Contains("suspend, access", StringComparison.Ordinal) == true && record.Changes.Any(change => change.RowId == "database"));
        var digest = Convert.ToHexStringLower(SHA256.HashData((await _reviews.GetAccessReviewResultAsync(new())).Note.Span));
        Assert.Contains(records, record => record.EventId == (ushort)AuditEvent.AccessReviewClosed && record.Detail?.EndsWith($"result {digest}", StringComparison.Ordinal) == true);

        // The leaver report knows when it was disabled.
        var leavers = new ReportLeaversRequest { Leavers = { new Leaver { Principal = "database", LeftTime = Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow.AddHours(-1)) } } };
        Assert.NotNull(Assert.Single((await new Access.AccessClient(_administrator).ReportLeaversAsync(leavers)).Reports).DisableTime);
    }

    [Fact]
    public async Task At_its_end_a_review_suspends_whom_nobody_attested_and_a_killed_server_finishes_it_once()
    {
        await BeginAsync(new MovedClock(_service.Directory));
        for (var i = 0; i < 150; i++)
        {
            await CreatePrincipalAsync($"service-{i:000}", PrincipalType.Service, new Credential { UnixUid = (uint)(50_000 + i) });
        }

        await StartAsync(("administrator", "dave"), ("database", "dave"), ("backup", "dave"), ("dave", "erin"), ("erin", "dave"));
        var dave = ClientOf("dave");
        await dave.AttestAccessAsync(Attest((await dave.ListOwnAccessReviewItemsAsync(new())).Items.Single(each => each.Principal == "database"), AccessReviewVerdict.Keep));

        // In its last quarter, by a server that was down meanwhile, the end is told of.
        await MoveAsync(TimeSpan.FromDays(1.6));
        var review = (await _reviews.ListAccessReviewsAsync(new())).Reviews[0];
        var alarm = await AlarmService.WaitForAsync(_service, review.Id);
        Assert.Equal("access-review-due", alarm.Kind);
        Assert.Contains("are disabled", alarm.Message, StringComparison.Ordinal);
        Assert.NotNull((await _reviews.ListAccessReviewsAsync(new())).Reviews[0].EndTime);

        // Killed again and again while it suspends, signs and closes.
        await MoveAsync(TimeSpan.FromDays(2));
        await Until.TrueAsync(async () => await CountAsync("access_review_items WHERE verdict = 4") > 0, "somebody is suspended");
        await _service.CrashAsync();
        await _service.StartAsync();
        await Until.TrueAsync(async () => await CountAsync("access_reviews WHERE state = 2") == 1, "the review is closed");
        await _service.RestartAsync();

        var result = await ResultAsync();
        Assert.Equal(155, result.Entries.Count);
        Assert.Equal(["database"], result.Entries.Where(each => each.Verdict == AccessReviewWords.Keep).Select(each => each.Principal));
        Assert.Equal(["administrator"], result.Entries.Where(each => each.Verdict == AccessReviewWords.KeptAsLastAdministrator).Select(each => each.Principal));
        Assert.Equal("", result.ClosedBy);
        var records = await RecordsAsync();
        Assert.Single(records, record => record.EventId == (ushort)AuditEvent.AccessReviewClosed);
        var suspended = records.Where(record => record.EventId == (ushort)AuditEvent.AccessSuspendedAtDeadline)
            .SelectMany(record => record.Changes).Where(change => change.Table == "principals").Select(change => change.RowId).ToList();
        Assert.Equal(153, suspended.Count);
        Assert.Equal(153, suspended.Distinct().Count());
        await Calls.RefusedAsync(Reason.UnknownPrincipal, new Access.AccessClient(Connect("backup")).WhoAmIAsync(new WhoAmIRequest()));
        Assert.Equal("database", (await new Access.AccessClient(Connect("database")).WhoAmIAsync(new WhoAmIRequest())).Principal.Name);
        Assert.Equal("administrator-not-attested", (await AlarmService.WaitForAsync(_service, "administrator")).Kind);
        await AlarmService.WaitForAsync(_service, review.Id, each => each.ClearTime is not null);

        // Verified by the command, without a service; a bit that was changed is not.
        var path = Path.Combine(_service.Directory, "result");
        var answer = await _reviews.GetAccessReviewResultAsync(new());
        await File.WriteAllBytesAsync(path, answer.Note.ToByteArray());
        (await _service.RunCliAsync(_service.Backup, "access", "review", "verify", path, "--key", answer.VerifierKey)).ExpectExit(0);
        var changed = answer.Note.ToByteArray();
        changed[changed.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(path, changed);
        (await _service.RunCliAsync(_service.Backup, "access", "review", "verify", path, "--key", answer.VerifierKey)).ExpectExit(4);
    }

    private async Task BeginAsync(MovedClock? clock = null)
    {
        _clock = clock;
        foreach (var (name, value) in clock?.Environment ?? new Dictionary<string, string?>())
        {
            _service.Environment[name] = value;
        }

        await _service.StartAsync();
        await _service.RegisterClientsAsync();
        _administrator = Connect("administrator");
        _reviews = new(_administrator);
        foreach (var name in new[] { "dave", "erin" })
        {
            await RegisterAsync(name);
        }
    }

    // Down while its clock moves, as a machine that was off.
    private async Task MoveAsync(TimeSpan by)
    {
        await _service.CrashAsync();
        _clock!.Move(by);
        await _service.StartAsync();
    }

    private async Task<StartAccessReviewResponse> StartAsync(params (string Principal, string Manager)[] roster)
    {
        var request = new StartAccessReviewRequest
        {
            RequestId = Calls.NewRequestId(), RosterSha256 = ByteString.CopyFrom(new byte[32]), DueTime = Timestamp.FromDateTimeOffset((_clock?.Most ?? DateTimeOffset.UtcNow).AddDays(2)),
        };
        request.Roster.AddRange(roster.Select(line => new AccessRosterEntry { Principal = line.Principal, Manager = line.Manager }));
        var started = await _reviews.StartAccessReviewAsync(request);
        Assert.Equal(started, await _reviews.StartAccessReviewAsync(request));
        return started;
    }

    private async Task AttestAllAsync(Wire.AccessReviews.AccessReviewsClient manager)
    {
        foreach (var item in (await manager.ListOwnAccessReviewItemsAsync(new() { PendingOnly = true })).Items)
        {
            await manager.AttestAccessAsync(Attest(item, AccessReviewVerdict.Keep));
        }
    }

    private async Task<AccessReviewResult> ResultAsync()
    {
        var answer = await _reviews.GetAccessReviewResultAsync(new());
        Assert.True(AccessReviewResult.TryRead(answer.Note.Span, out var note, out var result));
        Assert.True(NoteVerifier.TryParse(answer.VerifierKey, out var key));
        Assert.True(key!.Signed(note!));
        Assert.Equal(key.Name, result!.Origin);
        return result;
    }

    private static AttestAccessRequest Attest(AccessReviewItem item, AccessReviewVerdict verdict, string note = "") => new()
    {
        RequestId = Calls.NewRequestId(), Principal = item.Principal, AccessDigest = item.AccessDigest, Verdict = verdict, Note = note,
    };

    private static ReassignAccessReviewRequest Reassign(string principal, string manager) =>
        new() { RequestId = Calls.NewRequestId(), Principal = principal, Manager = manager, Reason = "nobody was named" };

    private async Task RegisterAsync(string name)
    {
        await _service.IssueClientAsync(name);
        await CreatePrincipalAsync(name, PrincipalType.Person, new Credential { CertificateSanUri = $"keyservice:principal/{name}" });
        await GrantAsync(name, "attest-access");
    }

    private async Task CreatePrincipalAsync(string name, PrincipalType type, Credential credential) => await new Access.AccessClient(_administrator).CreatePrincipalAsync(
        new CreatePrincipalRequest { RequestId = Calls.NewRequestId(), Name = name, Type = type, Credential = credential });

    private async Task GrantAsync(string name, string permission) => await new Access.AccessClient(_administrator).CreateGrantAsync(
        new CreateGrantRequest { RequestId = Calls.NewRequestId(), Principal = name, KeyPattern = "*", Permissions = { permission } });

    private Wire.AccessReviews.AccessReviewsClient ClientOf(string name) => new(Connect(name));

    private GrpcChannel Connect(string name)
    {
        _channels.Add(_service.ConnectAs(name));
        return _channels[^1];
    }

    private async Task<long> CountAsync(string from) => (await QueryAsync($"SELECT COUNT(*) FROM {from}", reader => reader.GetInt64(0))).Single();

    private Task<List<AuditRecord>> RecordsAsync() => QueryAsync(
        "SELECT record FROM audit_records ORDER BY sequence",
        reader => AuditRecord.TryParse(reader.GetFieldValue<byte[]>(0), out var record) ? record! : throw new InvalidOperationException("No record."));

    private async Task<List<T>> QueryAsync<T>(string sql, Func<SqliteDataReader, T> read)
    {
        await using var connection = new SqliteConnection($"Data Source={_service.StorePath};Mode=ReadOnly;Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync())
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
