using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.IntegrationTests.Service;

/// <summary>The server dies (SIGKILL) in the middle of a stream: the client says so, and nothing was sealed or believed.</summary>
public sealed class ServerKilledTests(ServiceFixture service) : IClassFixture<ServiceFixture>
{
    [Fact]
    public async Task Killed_while_it_encrypts_and_while_it_decrypts()
    {
        await service.CreateKeyAsync("killed/stream");
        using var client = KeyServiceClient.Connect(ClientProfile.Load(service.Backup.ProfilePath).ToOptions());
        var whole = new MemoryStream();
        await client.Cipher.EncryptArchiveAsync("killed/stream", EncryptionContext.Empty, "", Source(() => Task.CompletedTask), whole);

        var half = new MemoryStream();
        var encrypting = await Assert.ThrowsAsync<KeyServiceException>(() => client.Cipher.EncryptArchiveAsync(
            "killed/stream", EncryptionContext.Empty, "", Source(service.CrashAsync), half));
        AssertUnreachable(encrypting);

        await service.StartAsync();
        await Assert.ThrowsAsync<ArchiveException>(() => client.Archives.OpenSeekableAsync(new MemoryStream(half.ToArray())));

        var plaintext = new MemoryStream();
        var archive = new KillingStream(whole.ToArray(), 4 << 20, service.CrashAsync);
        AssertUnreachable(await Assert.ThrowsAsync<KeyServiceException>(() => client.Cipher.DecryptArchiveAsync(null, archive, plaintext)));
        Assert.InRange(plaintext.Length, 0, (8 << 20) - 1);

        // And the command: exit code 5, no file.
        await service.StartAsync();
        var (path, output) = (Path.Combine(service.Directory, "killed"), Path.Combine(service.Directory, "killed.ksa"));
        var killing = service.RunCliAsync(
            service.Backup, "encrypt", "--remote", "--key", "killed/stream", "-o", output, "--",
            "bash", "-c", $"head -c 4000000 /dev/zero; touch {path}; while [ -e {path} ]; do sleep 0.05; done; head -c 4000000 /dev/zero");
        await Until.TrueAsync(
            () =>
            {
                Assert.False(killing.IsCompleted);
                return File.Exists(path);
            },
            "the producer half through");
        await service.CrashAsync();
        File.Delete(path);
        var result = (await killing).ExpectExit(5);
        Assert.Contains("keyservice: ", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(output));
        await service.StartAsync();
    }

    private static EventfulSource Source(Func<Task> happens) => new(8, 4, happens);

    private static void AssertUnreachable(KeyServiceException e)
    {
        Assert.Equal(ClientReason.Unreachable, e.Reason);
        Assert.NotEmpty(e.Advice);
    }

    private sealed class KillingStream(byte[] bytes, long at, Func<Task> happens) : MemoryStream(bytes)
    {
        private bool happened;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!happened && Position >= at)
            {
                happened = true;
                await happens();
            }
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
