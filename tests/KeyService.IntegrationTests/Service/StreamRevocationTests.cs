using System.Diagnostics;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>A stream under way is asked again when access changes: nobody goes on with what they lost, in the middle of an archive either.</summary>
[Collection(RunningService.Name)]
public sealed class StreamRevocationTests(ServiceFixture service) : IDisposable
{
    private readonly GrpcChannel _administration = service.ConnectAs("administrator");

    private Access.AccessClient Administrator => new(_administration);

    public void Dispose() => _administration.Dispose();

    [Theory]
    [InlineData("disabled")]
    [InlineData("revoked")]
    [InlineData("expired")]
    public async Task An_open_archive_ends_within_a_second(string how)
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var (name, grant, channel) = await RegisterAsync(key, expires: how == "expired");
        using (channel)
        {
            using var call = new Cipher.CipherClient(channel).EncryptStream();
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key } });
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1 << 20]) });
            // Answered, so that the stream is known to be under way.
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));

            var since = new Stopwatch();
            if (how == "disabled")
            {
                await Administrator.DisablePrincipalAsync(new DisablePrincipalRequest { RequestId = Calls.NewRequestId(), Name = name });
                since.Start();
            }
            else if (how == "revoked")
            {
                await Administrator.RevokeGrantAsync(new RevokeGrantRequest { RequestId = Calls.NewRequestId(), Id = grant.Id });
                since.Start();
            }
            else
            {
                _ = KeepSendingAsync(call.RequestStream);
            }

            await Calls.RefusedAsync(Reason.AccessDenied, async () =>
            {
                // The service ends it by itself, whether anything more is sent or not.
                while (await call.ResponseStream.MoveNext(CancellationToken.None))
                {
                }
            });
            Assert.True(since.Elapsed < TimeSpan.FromSeconds(1), $"{since.Elapsed}");
        }
    }

    [Fact]
    public async Task Changes_of_others_do_not_end_it()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var (_, _, channel) = await RegisterAsync(key, expires: false);
        using (channel)
        {
            using var call = new Cipher.CipherClient(channel).EncryptStream();
            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key } });
            for (var i = 0; i < 3; i++)
            {
                await call.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1 << 20]) });
                Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
                var (_, other, others) = await RegisterAsync(key, expires: false);
                others.Dispose();
                await Administrator.RevokeGrantAsync(new RevokeGrantRequest { RequestId = Calls.NewRequestId(), Id = other.Id });
            }

            await call.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
            StreamSummary? summary = null;
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                summary = call.ResponseStream.Current.Summary ?? summary;
            }

            Assert.Equal(3UL << 20, summary?.PlaintextBytes);
        }
    }

    // Not silent, so that the idle time-out does not end it before.
    private static async Task KeepSendingAsync(IClientStreamWriter<EncryptStreamRequest> stream)
    {
        try
        {
            while (true)
            {
                await stream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(1) });
                await Task.Delay(100);
            }
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // It ended.
        }
    }

    private async Task<(string Name, Grant Grant, GrpcChannel Channel)> RegisterAsync(string key, bool expires)
    {
        var name = $"stream-{Guid.NewGuid():N}";
        await service.IssueClientAsync(name);
        await Administrator.CreatePrincipalAsync(new CreatePrincipalRequest
        {
            RequestId = Calls.NewRequestId(), Name = name, Type = PrincipalType.Service, Credential = new Credential { CertificateSanUri = $"keyservice:principal/{name}" },
        });
        var grant = await Administrator.CreateGrantAsync(new CreateGrantRequest
        {
            RequestId = Calls.NewRequestId(), Principal = name, KeyPattern = key, Permissions = { "encrypt" },
            ExpireTime = expires ? Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow.AddSeconds(4)) : null,
        });
        return (name, grant.Grant, service.ConnectAs(name));
    }
}
