using Grpc.Core;
using KeyService.Protocol.V1;
using AuditClient = KeyService.Protocol.V1.Audit.AuditClient;
using CanonicalRecord = KeyService.Crypto.AuditRecord;

namespace KeyService.IntegrationTests.Service;

/// <summary>audit.proto through the real service: what was done stands in the log.</summary>
[Collection(RunningService.Name)]
public sealed class AuditTailTests(ServiceFixture service)
{
    [Fact]
    public async Task The_log_begins_with_the_installation_and_has_no_gap()
    {
        var records = await ReadAsync(0);
        Assert.Equal("installation-created", records[0].Event);
        Assert.Contains(records, record => record.Event == "service-started");
        Assert.Equal(Enumerable.Range(0, records.Count).Select(i => (long)i), records.Select(record => record.Sequence));
        Assert.All(records, record =>
        {
            Assert.True(CanonicalRecord.TryParse(record.Canonical.Span, out var canonical));
            Assert.Equal((ulong)record.Sequence, canonical!.Sequence);
            Assert.Equal(record.EventId, canonical.EventId);
            Assert.NotEqual(AuditType.Unspecified, record.Type);
            Assert.NotEqual(AuditOutcome.Unspecified, record.Outcome);
        });
    }

    [Fact]
    public async Task A_call_is_in_the_log_before_it_is_answered_with_who_what_and_how_it_ended()
    {
        var key = await Calls.NewKeyAsync(service);
        using var channel = service.ConnectAs("database");
        await new Cipher.CipherClient(channel).EncryptAsync(new EncryptRequest { Key = key.Name });
        await Calls.RefusedAsync(Reason.AccessDenied, new Protocol.V1.Keys.KeysClient(channel).RotateKeyAsync(
            new RotateKeyRequest { RequestId = Calls.NewRequestId(), Name = key.Name }));

        var ours = (await ReadAsync(-500)).Where(record => record.Key == key.Name).ToList();

        var encrypted = Assert.Single(ours, record => record.Event == "field-encrypted");
        Assert.Equal(("database", AuditOutcome.Success, AuditType.Modify, ""), (encrypted.Principal, encrypted.Outcome, encrypted.Type, encrypted.Reason));
        Assert.Equal(key.Primary.Id, encrypted.KeyVersion);
        Assert.Equal(32, encrypted.TraceId.Length);
        var refused = Assert.Single(ours, record => record.Event == "key-rotated");
        Assert.Equal(("database", AuditOutcome.Refused, "ACCESS_DENIED"), (refused.Principal, refused.Outcome, refused.Reason));
        Assert.Single(ours, record => record.Event == "key-created" && record.Principal == "administrator");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(-3)]
    public async Task A_negative_start_counts_from_the_end(long start) => Assert.Equal(-start, (await ReadAsync(start)).Count);

    [Fact]
    public async Task A_start_before_the_beginning_gives_all_and_one_beyond_the_end_gives_none()
    {
        Assert.Equal(0, (await ReadAsync(long.MinValue))[0].Sequence);
        Assert.Empty(await ReadAsync(long.MaxValue));
    }

    [Fact]
    public async Task Following_goes_on_with_what_is_recorded_later_and_ends_when_the_client_leaves()
    {
        using var channel = service.ConnectAs("administrator");
        using var cancel = new CancellationTokenSource();
        using var tail = new AuditClient(channel).Tail(new TailRequest { Start = -1, Follow = true }, cancellationToken: cancel.Token);
        // The first answer proves that the stream stands before the call below is made.
        Assert.True(await tail.ResponseStream.MoveNext(CancellationToken.None));
        var key = await Calls.NewKeyAsync(service);
        AuditRecord record;
        do
        {
            Assert.True(await tail.ResponseStream.MoveNext(CancellationToken.None));
            record = tail.ResponseStream.Current.Record;
        }
        while (record.Key != key.Name);

        Assert.Equal("key-created", record.Event);
        await cancel.CancelAsync();
        var end = await Assert.ThrowsAnyAsync<RpcException>(async () =>
        {
            while (await tail.ResponseStream.MoveNext(CancellationToken.None))
            {
            }
        });
        Assert.Equal(StatusCode.Cancelled, end.StatusCode);
    }

    [Fact]
    public async Task Who_loses_the_permission_while_following_reads_no_further()
    {
        var name = $"auditor-{Guid.NewGuid():N}";
        await service.IssueClientAsync(name);
        (await service.RunCliAsync(service.Administrator, "principal", "create", name, "--certificate-uri", $"keyservice:principal/{name}")).ExpectExit(0);
        using var administrator = service.ConnectAs("administrator");
        var access = new Protocol.V1.Access.AccessClient(administrator);
        var grant = (await access.CreateGrantAsync(new CreateGrantRequest
        {
            RequestId = Calls.NewRequestId(), Principal = name, Permissions = { "read-audit" }, KeyPattern = "*",
        })).Grant;
        using var channel = service.ConnectAs(name);
        using var tail = new AuditClient(channel).Tail(new TailRequest { Start = -1, Follow = true });
        Assert.True(await tail.ResponseStream.MoveNext(CancellationToken.None));

        await access.RevokeGrantAsync(new RevokeGrantRequest { RequestId = Calls.NewRequestId(), Id = grant.Id });

        await Calls.RefusedAsync(Reason.AccessDenied, async () =>
        {
            while (await tail.ResponseStream.MoveNext(CancellationToken.None))
            {
                Assert.NotEqual("grant-revoked", tail.ResponseStream.Current.Record.Event);
            }
        });
    }

    [Fact]
    public async Task Who_may_not_read_the_log_reads_nothing_and_the_attempt_is_recorded()
    {
        using var channel = service.ConnectAs("database");
        using var tail = new AuditClient(channel).Tail(new TailRequest());
        await Calls.RefusedAsync(Reason.AccessDenied, () => tail.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Contains(await ReadAsync(-200), record => record.Event == "audit-tail-closed" && record.Principal == "database" && record.Outcome == AuditOutcome.Refused);
    }

    private async Task<List<AuditRecord>> ReadAsync(long start)
    {
        using var channel = service.ConnectAs("administrator");
        using var tail = new AuditClient(channel).Tail(new TailRequest { Start = start });
        var records = new List<AuditRecord>();
        while (await tail.ResponseStream.MoveNext(CancellationToken.None))
        {
            records.Add(tail.ResponseStream.Current.Record);
        }

        return records;
    }
}
