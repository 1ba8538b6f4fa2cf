using Google.Protobuf;
using Grpc.Core;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>WatchLeases and ReportUse as any client calls them.</summary>
[Collection(RunningService.Name)]
public sealed class LeaseRpcTests(ServiceFixture service)
{
    [Fact]
    public async Task A_watch_says_what_is_granted_and_nothing_about_what_is_not()
    {
        var key = await Calls.NewKeyAsync(service);
        await Calls.RotateAsync(service, key.Name);
        var newest = await PrimaryAsync(key.Name);
        using var channel = service.ConnectAs("database");
        using var call = new DataKeys.DataKeysClient(channel).WatchLeases(new WatchLeasesRequest
        {
            HeartbeatMilliseconds = 200,
            Leases =
            {
                new LeasedVersion { KeyVersion = newest }, new LeasedVersion { KeyVersion = key.Primary.Id },
                new LeasedVersion { KeyVersion = "00000000000000ff" },
            },
        });
        long elapsed = -1;
        for (var i = 0; i < 3; i++)
        {
            Assert.True(await call.ResponseStream.MoveNext(default));
            var answer = call.ResponseStream.Current;
            Assert.Equal(
                [(true, true), (false, true), (false, false)], answer.Standings.Select(each => (each.MayEncrypt, each.MayDecrypt)));
            Assert.True(answer.ElapsedMilliseconds >= elapsed + (i > 0 ? 100 : 0));
            elapsed = answer.ElapsedMilliseconds;
        }

        // The administrator has no use of keys: the same question, another answer.
        using var other = service.ConnectAs("administrator");
        using var theirs = new DataKeys.DataKeysClient(other).WatchLeases(new WatchLeasesRequest { Leases = { new LeasedVersion { KeyVersion = newest } } });
        Assert.True(await theirs.ResponseStream.MoveNext(default));
        Assert.Equal(new LeaseStanding(), Assert.Single(theirs.ResponseStream.Current.Standings));
    }

    [Fact]
    public async Task A_watch_without_leases_twice_the_same_or_too_many_is_refused()
    {
        using var channel = service.ConnectAs("database");
        var client = new DataKeys.DataKeysClient(channel);
        var lease = new LeasedVersion { KeyVersion = "00000000000000ff" };
        var many = new WatchLeasesRequest();
        many.Leases.AddRange(Enumerable.Range(1, 1001).Select(i => new LeasedVersion { KeyVersion = $"{i:x16}" }));
        foreach (var (request, reason) in new[]
        {
            (new WatchLeasesRequest(), Reason.InvalidArgument), (new WatchLeasesRequest { Leases = { lease, lease } }, Reason.InvalidArgument),
            (new WatchLeasesRequest { Leases = { new LeasedVersion { KeyVersion = "x" } } }, Reason.InvalidArgument),
            (new WatchLeasesRequest { Leases = { lease }, HeartbeatMilliseconds = 199 }, Reason.InvalidArgument),
            (new WatchLeasesRequest { Leases = { lease }, HeartbeatMilliseconds = 30_001 }, Reason.InvalidArgument),
            (many, Reason.BatchTooLarge),
        })
        {
            using var call = client.WatchLeases(request);
            await Calls.RefusedAsync(reason, () => call.ResponseStream.MoveNext(default));
        }
    }

    [Fact]
    public async Task A_report_that_is_sent_twice_counts_once()
    {
        var key = await Calls.NewKeyAsync(service);
        using var channel = service.ConnectAs("database");
        var client = new DataKeys.DataKeysClient(channel);
        var request = Report(key.Primary.Id);
        await client.ReportUseAsync(request);
        await client.ReportUseAsync(request);
        var records = await RecordsAsync(key.Name);
        Assert.Equal([12, 0], records.Select(record => record.ItemCount));
        var changed = request.Clone();
        changed.Uses[0].EncryptedMessages++;
        await Calls.RefusedAsync(Reason.RequestIdReused, client.ReportUseAsync(changed));
    }

    [Fact]
    public async Task A_report_of_what_one_never_had_or_that_makes_no_sense_is_refused()
    {
        var key = await Calls.NewKeyAsync(service);
        using var administrator = service.ConnectAs("administrator");
        await Calls.RefusedAsync(Reason.AccessDenied, new DataKeys.DataKeysClient(administrator).ReportUseAsync(Report(key.Primary.Id)));

        using var channel = service.ConnectAs("database");
        var client = new DataKeys.DataKeysClient(channel);
        await Calls.RefusedAsync(Reason.AccessDenied, client.ReportUseAsync(Report("00000000000000ff")));
        foreach (var spoil in new Action<ReportUseRequest>[]
        {
            request => request.Uses.Clear(), request => request.Uses.Add(request.Uses[0]), request => request.KeyVersion = "",
            request => request.Uses[0].DataKeyId = ByteString.Empty, request => request.Uses[0].GraceMessages = -1,
            request => request.Uses[0].DecryptedBytes = long.MinValue, request => request.RequestId = "1",
        })
        {
            var request = Report(key.Primary.Id);
            spoil(request);
            await Calls.RefusedAsync(Reason.InvalidArgument, client.ReportUseAsync(request));
        }
        var many = Report(key.Primary.Id);
        many.Uses.AddRange(Enumerable.Range(0, 32).Select(i => new DataKeyUsage { DataKeyId = ByteString.CopyFrom([(byte)(i + 100), .. new byte[15]]) }));
        await Calls.RefusedAsync(Reason.BatchTooLarge, client.ReportUseAsync(many));

        // As large as counts get, and as many as there may be: recorded, and no defect.
        var huge = Report(key.Primary.Id);
        huge.Uses.AddRange(Enumerable.Range(0, 31).Select(i => new DataKeyUsage
        {
            DataKeyId = ByteString.CopyFrom([(byte)(i + 100), .. new byte[15]]), EncryptedMessages = long.MaxValue, EncryptedBytes = long.MaxValue,
            DecryptedMessages = long.MaxValue, DecryptedBytes = long.MaxValue, GraceMessages = long.MaxValue, GraceMilliseconds = long.MaxValue,
        }));
        await client.ReportUseAsync(huge);
    }

    private static ReportUseRequest Report(string version) => new()
    {
        RequestId = Calls.NewRequestId(),
        KeyVersion = version,
        Uses = { new DataKeyUsage { DataKeyId = ByteString.CopyFrom(new byte[16]), EncryptedMessages = 5, EncryptedBytes = 50, DecryptedMessages = 7, DecryptedBytes = 70 } },
    };

    private async Task<string> PrimaryAsync(string key)
    {
        using var channel = service.ConnectAs("administrator");
        return (await new Keys.KeysClient(channel).GetKeyAsync(new GetKeyRequest { Name = key })).Key.Primary.Id;
    }

    private async Task<List<AuditRecord>> RecordsAsync(string key)
    {
        using var channel = service.ConnectAs("administrator");
        using var call = new Protocol.V1.Audit.AuditClient(channel).Tail(new TailRequest { Start = 0 });
        var records = new List<AuditRecord>();
        while (await call.ResponseStream.MoveNext(default))
        {
            if (call.ResponseStream.Current.Record is { Event: "data-key-use-reported", Outcome: AuditOutcome.Success } record && record.Key == key)
            {
                records.Add(record);
            }
        }
        return records;
    }
}
