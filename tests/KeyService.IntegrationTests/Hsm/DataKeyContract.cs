using KeyService.Crypto;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>Data keys on every module.</summary>
public abstract class DataKeyContract : IAsyncLifetime
{
    private static readonly byte[] Aad = "associated data of the test"u8.ToArray();
    private readonly TokenDirectory directory;
    private readonly KeyVersionId id = KeyVersionId.NewRandom();
    private HsmToken token = null!;

    protected DataKeyContract(TokenDirectory directory) => this.directory = directory;

    public async ValueTask InitializeAsync()
    {
        token = await directory.OpenWithHierarchyAsync();
        await token.CreateKekAsync(id);
    }

    public async ValueTask DisposeAsync()
    {
        await token.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    public async Task Generated_data_keys_are_all_different_and_all_open(int count)
    {
        var plaintexts = new byte[count * 32];
        var wrapped = new byte[count * WrappedDataKey.Length];
        await token.GenerateDataKeysAsync(id, count, i => BitConverter.GetBytes(i), plaintexts, wrapped);
        Assert.Equal(count, plaintexts.Chunk(32).Select(Convert.ToHexString).Distinct().Count());
        Assert.Equal(count, wrapped.Chunk(WrappedDataKey.Length).Select(key => Convert.ToHexString(key.AsSpan(9, 12))).Distinct().Count());
        var opened = new byte[32];
        for (var i = 0; i < count; i++)
        {
            var key = wrapped.AsMemory(i * WrappedDataKey.Length, WrappedDataKey.Length);
            Assert.Equal(id, WrappedDataKey.TryParse(key.Span, out var parsed) ? parsed.VersionId : default);
            Assert.True(await token.UnwrapDataKeyAsync(id, key, BitConverter.GetBytes(i), opened));
            Assert.Equal(plaintexts[(i * 32)..((i + 1) * 32)], opened);
        }
    }

    [Fact]
    public async Task Without_room_for_plaintexts_only_wrapped_keys_are_made_and_they_open()
    {
        var wrapped = new byte[100 * WrappedDataKey.Length];
        await token.GenerateDataKeysAsync(id, 100, _ => Aad, Memory<byte>.Empty, wrapped);
        var opened = new byte[32];
        foreach (var key in wrapped.Chunk(WrappedDataKey.Length))
        {
            Assert.True(await token.UnwrapDataKeyAsync(id, key, Aad, opened));
            Assert.NotEqual(new byte[32], opened);
        }
    }

    [Fact]
    public async Task Whatever_bit_is_flipped_the_key_does_not_open_and_nothing_is_released()
    {
        var wrapped = new byte[WrappedDataKey.Length];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
        for (var position = 0; position < wrapped.Length; position++)
        {
            var damaged = wrapped.ToArray();
            damaged[position] ^= (byte)(1 << (position % 8));
            var plaintext = Enumerable.Repeat((byte)0xEE, 32).ToArray();
            Assert.False(await token.UnwrapDataKeyAsync(id, damaged, Aad, plaintext));
            Assert.Equal(new byte[32], plaintext);
        }
        Assert.True((await token.ProbeAsync()).IsHealthy);
    }

    [Fact]
    public async Task Wrong_associated_data_another_key_or_a_wrong_length_is_the_same_no()
    {
        var wrapped = new byte[WrappedDataKey.Length];
        var plaintext = new byte[32];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, wrapped);
        Assert.False(await token.UnwrapDataKeyAsync(id, wrapped, Aad.AsMemory(1), plaintext));
        Assert.False(await token.UnwrapDataKeyAsync(id, wrapped, Memory<byte>.Empty, plaintext));
        Assert.False(await token.UnwrapDataKeyAsync(id, wrapped.AsMemory(1), Aad, plaintext));
        Assert.False(await token.UnwrapDataKeyAsync(id, Memory<byte>.Empty, Aad, plaintext));

        var other = KeyVersionId.NewRandom();
        await token.CreateKekAsync(other);
        Assert.False(await token.UnwrapDataKeyAsync(other, wrapped, Aad, plaintext));
        var renamed = wrapped.ToArray();
        other.WriteTo(renamed.AsSpan(1));
        Assert.False(await token.UnwrapDataKeyAsync(other, renamed, Aad, plaintext));
    }

    [Fact]
    public async Task The_same_data_key_wrapped_twice_gives_different_bytes()
    {
        var first = new byte[WrappedDataKey.Length];
        var second = new byte[WrappedDataKey.Length];
        await token.WrapDataKeyAsync(id, new byte[32], Aad, first);
        await token.WrapDataKeyAsync(id, new byte[32], Aad, second);
        Assert.NotEqual(first, second);
    }

    [Fact]
    public async Task A_batch_that_fails_in_the_middle_leaves_no_key_behind()
    {
        var plaintexts = new byte[200 * 32];
        var wrapped = new byte[200 * WrappedDataKey.Length];
        await Assert.ThrowsAsync<InvalidOperationException>(() => token.GenerateDataKeysAsync(
            id, 200, i => i < 150 ? Aad : throw new InvalidOperationException(), plaintexts, wrapped).AsTask());
        Assert.Equal(new byte[200 * 32], plaintexts);
        Assert.Equal(new byte[200 * WrappedDataKey.Length], wrapped);

        using var cancelled = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => token.GenerateDataKeysAsync(
            id,
            200,
            _ =>
            {
                cancelled.Cancel();
                return Aad;
            },
            plaintexts,
            wrapped,
            cancelled.Token).AsTask());
        Assert.Equal(new byte[200 * 32], plaintexts);
        await token.GenerateDataKeysAsync(id, 200, _ => Aad, plaintexts, wrapped);
    }

    [Fact]
    public async Task A_data_key_wrapped_before_a_restart_opens_after_it()
    {
        var version = KeyVersionId.NewRandom();
        var kek = await token.CreateKekAsync(version);
        var plaintext = new byte[32];
        var wrapped = new byte[WrappedDataKey.Length];
        await token.GenerateDataKeysAsync(version, 1, _ => Aad, plaintext, wrapped);
        await token.DisposeAsync();

        token = directory.Open();
        Assert.False(token.IsLoaded(version));
        await token.LoadKekAsync(version, kek.RootBlob, kek.CheckValue);
        var opened = new byte[32];
        Assert.True(await token.UnwrapDataKeyAsync(version, wrapped, Aad, opened));
        Assert.Equal(plaintext, opened);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(HsmToken.MaxPlaintextLength)]
    public async Task A_message_under_a_KEK_comes_back(int length)
    {
        var plaintext = new byte[length];
        Random.Shared.NextBytes(plaintext);
        var message = new byte[length + 28];
        await token.EncryptAsync(id, plaintext, Aad, message);
        var opened = new byte[length];
        Assert.True(await token.DecryptAsync(id, message, Aad, opened));
        Assert.Equal(plaintext, opened);
        message[^1] ^= 1;
        Assert.False(await token.DecryptAsync(id, message, Aad, opened));
    }

    [Fact]
    public async Task Random_bytes_of_any_length_come_from_the_token()
    {
        var bytes = new byte[10_001];
        await token.RandomAsync(bytes);
        Assert.InRange(bytes.Distinct().Count(), 250, 256);
        await token.RandomAsync(Memory<byte>.Empty);
    }
}

/// <summary>On SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmDataKeyTests(SoftHsmDirectory directory) : DataKeyContract(directory), IClassFixture<SoftHsmDirectory>;

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimDataKeyTests(SimulatedDirectory directory) : DataKeyContract(directory), IClassFixture<SimulatedDirectory>;

/// <summary>On NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssDataKeyTests(NssDirectory directory) : DataKeyContract(directory), IClassFixture<NssDirectory>;
