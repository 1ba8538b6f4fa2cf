using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>The SDK's archive streams against the real service: it makes and unwraps the data key, all else is local.</summary>
[Collection(RunningService.Name)]
public sealed class ArchiveStreamsTests(ServiceFixture service) : IDisposable
{
    private static readonly EncryptionContext Nightly = EncryptionContext.Create("job", "nightly");
    private readonly KeyServiceClient client = KeyServiceClient.Connect(ClientProfile.Load(service.Backup.ProfilePath).ToOptions());
    private readonly byte[] content = MakeContent();

    [Fact]
    public async Task What_a_stream_seals_every_other_way_opens()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var path = Path.Combine(service.Directory, $"{Guid.NewGuid():N}.ksa");
        await using (var archive = await client.Archives.CreateAsync(key, Nightly, File.Create(path), "dump.sql"))
        {
            await archive.WriteAsync(content);
            var summary = await archive.CompleteAsync();
            Assert.Equal((content.Length, new FileInfo(path).Length), (summary.PlaintextBytes, summary.ArchiveBytes));
        }

        Assert.Equal(content, (await service.RunCliAsync(service.Backup, "decrypt", "--quiet", path)).ExpectExit(0).Output);
        Assert.Equal(content, (await service.RunCliAsync(service.Backup, "decrypt", "--quiet", "--remote", path)).ExpectExit(0).Output);

        await using (var forward = await client.Archives.OpenAsync(File.OpenRead(path), Nightly))
        {
            Assert.Equal("dump.sql", forward.Header.ContentName);
            var read = new MemoryStream();
            await forward.CopyToAsync(read);
            Assert.Equal(content, read.ToArray());
        }

        await using var seekable = await client.Archives.OpenSeekableAsync(File.OpenRead(path));
        seekable.Seek(-1000, SeekOrigin.End);
        var end = new byte[1000];
        await seekable.ReadExactlyAsync(end);
        Assert.True(content.AsSpan()[^1000..].SequenceEqual(end));
    }

    [Fact]
    public async Task Another_context_or_a_key_that_is_not_granted_opens_and_makes_nothing()
    {
        var key = (await Calls.NewKeyAsync(service)).Name;
        var archive = await MakeAsync(key);
        foreach (var other in new[] { EncryptionContext.Empty, EncryptionContext.Create("job", "weekly") })
        {
            var e = await Assert.ThrowsAsync<ArchiveException>(() => client.Archives.OpenAsync(new MemoryStream(archive), other));
            Assert.Equal(ArchiveFault.OtherContext, e.Fault);
            await Assert.ThrowsAsync<ArchiveException>(() => client.Archives.OpenSeekableAsync(new MemoryStream(archive), other));
        }

        var output = new MemoryStream();
        var refused = await Assert.ThrowsAsync<KeyServiceException>(() => client.Archives.CreateAsync("no/such-key", Nightly, output));
        Assert.Equal(("ACCESS_DENIED", 0), (refused.Reason, output.ToArray().Length));
        Assert.False(output.CanWrite); // given to own, so closed

        // A wrapped key that was copied over from another archive is bound to that one.
        var (one, two) = (ArchiveHeader.Parse(archive), ArchiveHeader.Parse(await MakeAsync(key)));
        var mixed = ArchiveHeader.Create(one.ArchiveId.Span, one.Context, one.ContentName, two.WrappedDataKeys).ToArray();
        byte[] forged = [.. mixed, .. archive.AsSpan(mixed.Length)];
        refused = await Assert.ThrowsAsync<KeyServiceException>(() => client.Archives.OpenAsync(new MemoryStream(forged)));
        Assert.Equal("DECRYPTION_FAILED", refused.Reason);
        await Assert.ThrowsAsync<ArgumentException>(() => client.Archives.OpenSeekableAsync(new PipeLike(archive)));
    }

    [Fact]
    public async Task Rewrapping_moves_an_archive_under_the_newest_version_and_can_be_repeated()
    {
        var key = await Calls.NewKeyAsync(service);
        var path = Path.Combine(service.Directory, $"{Guid.NewGuid():N}.ksa");
        await File.WriteAllBytesAsync(path, await MakeAsync(key.Name));
        Assert.False((await client.Archives.RewrapAsync(path)).Changed);

        var rotated = await Calls.RotateAsync(service, key.Name);
        var rewrapped = await client.Archives.RewrapAsync(path);
        Assert.True(rewrapped is { Changed: true, Proven: true });
        Assert.True(WrappedDataKey.TryParse(rewrapped.Header.WrappedDataKeys[0].Span, out var wrapped));
        Assert.Equal(rotated.Primary.Id, wrapped.VersionId.ToString());
        Assert.False((await client.Archives.RewrapAsync(path)).Changed);
        await AssertOpensAsync(path);

        // A torn slot area is repaired, also under the newest version.
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[4096 + 10] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);
        Assert.Equal(1, ArchiveHeader.Parse(bytes).DamagedSlotAreas);
        Assert.Equal(0, (await client.Archives.RewrapAsync(path)).Header.DamagedSlotAreas);
        await AssertOpensAsync(path);
    }

    [Fact]
    public async Task A_payload_that_is_not_the_keys_own_is_never_rewrapped()
    {
        var key = await Calls.NewKeyAsync(service);
        var path = Path.Combine(service.Directory, $"{Guid.NewGuid():N}.ksa");
        var archive = await MakeAsync(key.Name);
        archive[^1] ^= 1;
        await File.WriteAllBytesAsync(path, archive);
        await Calls.RotateAsync(service, key.Name);
        await Assert.ThrowsAsync<ArchiveException>(() => client.Archives.RewrapAsync(path));
        Assert.Equal(archive, await File.ReadAllBytesAsync(path));
    }

    [Fact]
    public async Task Who_may_only_rewrap_does_so_without_the_proof_and_cannot_open()
    {
        var key = await Calls.NewKeyAsync(service);
        var path = Path.Combine(service.Directory, $"{Guid.NewGuid():N}.ksa");
        await File.WriteAllBytesAsync(path, await MakeAsync(key.Name));
        await Calls.RotateAsync(service, key.Name);
        var name = $"rewrapper-{Guid.NewGuid():N}"[..20];
        using (var administrator = service.ConnectAs("administrator"))
        {
            var access = new Access.AccessClient(administrator);
            await access.CreatePrincipalAsync(new CreatePrincipalRequest
            {
                RequestId = Calls.NewRequestId(), Name = name, Type = PrincipalType.Service,
                Credential = new Credential { CertificateSanUri = $"keyservice:principal/{name}" },
            });
            await access.CreateGrantAsync(new CreateGrantRequest
            {
                RequestId = Calls.NewRequestId(), Principal = name, KeyPattern = key.Name, Permissions = { "rewrap-data-key" },
            });
        }

        var identity = await service.IssueClientAsync(name);
        using var rewrapper = KeyServiceClient.Connect(ClientProfile.Load(identity.ProfilePath).ToOptions());
        Assert.Equal("ACCESS_DENIED", (await Assert.ThrowsAsync<KeyServiceException>(() => rewrapper.Archives.OpenAsync(File.OpenRead(path)))).Reason);
        Assert.True(await rewrapper.Archives.RewrapAsync(path) is { Changed: true, Proven: false });
        await AssertOpensAsync(path);
    }

    public void Dispose() => client.Dispose();

    private async Task<byte[]> MakeAsync(string key)
    {
        var archive = new MemoryStream();
        await using var stream = await client.Archives.CreateAsync(key, Nightly, archive, "dump.sql", leaveOpen: true);
        await stream.WriteAsync(content);
        await stream.CompleteAsync();
        return archive.ToArray();
    }

    private async Task AssertOpensAsync(string path)
    {
        await using var stream = await client.Archives.OpenAsync(File.OpenRead(path), Nightly);
        var read = new MemoryStream();
        await stream.CopyToAsync(read);
        Assert.Equal(content, read.ToArray());
    }

    private static byte[] MakeContent()
    {
        var bytes = new byte[2_222_222];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private sealed class PipeLike(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
