using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>A KEK that one token makes and seals, and another takes in: between two tokens of each module, and from each module to another.</summary>
public abstract class PeerContract(TokenPair pair)
{
    private static readonly byte[] Aad = [2, 7, 9];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_encrypted_on_the_token_that_made_a_kek_opens_on_its_peer()
    {
        var transferKey = await TransferKeyAsync();
        var keks = new List<NewKek>();
        var wrapped = new List<byte[]>();
        await using (var maker = await pair.Maker.OpenWithHierarchyAsync())
        {
            for (var i = 0; i < 3; i++)
            {
                var kek = await maker.CreateKekAsync(KeyVersionId.NewRandom(), [transferKey], Cancellation);
                var blob = Assert.Single(kek.Sealed);
                Assert.Equal((transferKey.TokenSerial, 0x02, 385), (blob.TokenId, blob.Blob[0], blob.Blob.Length));
                keks.Add(kek);
                wrapped.Add(new byte[WrappedDataKey.Length]);
                await maker.WrapDataKeyAsync(kek.Id, Plaintext(i), Aad, wrapped[i]);
            }
            Assert.Empty(LeftObjects.Dangerous(pair.Maker));
        }

        await using var peer = pair.Peer.Open(Patient(pair.Peer));
        var before = LeftObjects.SecretKeys(pair.Peer);
        var admitted = await peer.AdmitKeksAsync([.. keks.Select(kek => new PeerKek(kek.Id, kek.Sealed[0].Blob, kek.CheckValue))], Cancellation);
        Assert.Equal(keks.Select(kek => kek.Id), admitted.Select(kek => kek.Id));
        Assert.All(admitted, kek => Assert.False(peer.IsLoaded(kek.Id)));
        Assert.Empty(LeftObjects.Dangerous(pair.Peer));
        Assert.Equal(before, LeftObjects.SecretKeys(pair.Peer));
        for (var i = 0; i < keks.Count; i++)
        {
            Assert.NotEqual(keks[i].RootBlob, admitted[i].RootBlob);
            await peer.LoadKekAsync(admitted[i].Id, admitted[i].RootBlob, keks[i].CheckValue, Cancellation);
            var plaintext = new byte[WrappedDataKey.DataKeyLength];
            Assert.True(await peer.UnwrapDataKeyAsync(keks[i].Id, wrapped[i], Aad, plaintext, Cancellation));
            Assert.Equal(Plaintext(i), plaintext);
        }
        Assert.Empty(LeftObjects.Dangerous(pair.Peer));
    }

    [Fact]
    public async Task What_is_sealed_is_what_the_document_says_for_as_many_peers_as_there_can_be()
    {
        using var small = RSA.Create(3072);
        using var great = RSA.Create(4096);
        TransferKey[] peers = [.. Enumerable.Range(0, HsmToken.MaxPeers).Select(i => Key(i % 2 == 0 ? small : great, $"peer-{i}"))];
        await using var maker = await pair.Maker.OpenWithHierarchyAsync();
        var kek = await maker.CreateKekAsync(KeyVersionId.NewRandom(), peers, Cancellation);
        Assert.Equal(peers.Select(peer => peer.TokenSerial), kek.Sealed.Select(each => each.TokenId));
        Assert.All(kek.Sealed.Select((each, i) => (each.Blob, Key: i % 2 == 0 ? small : great)), each => Assert.True(SealedInSoftware.Opens(each.Key, each.Blob, kek.Id, kek.CheckValue)));
        Assert.Empty(LeftObjects.Dangerous(pair.Maker));

        Assert.Empty((await maker.CreateKekAsync(KeyVersionId.NewRandom(), Cancellation)).Sealed);
        Assert.Empty((await maker.CreateKekAsync(KeyVersionId.NewRandom(), [], Cancellation)).Sealed);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await maker.CreateKekAsync(KeyVersionId.NewRandom(), [.. peers, Key(small, "ninth")], Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(async () => await maker.CreateKekAsync(KeyVersionId.NewRandom(), [peers[0], Key(great, "peer-0")], Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(async () => await maker.CreateKekAsync(KeyVersionId.NewRandom(), [Key(small, maker.TokenId)], Cancellation));
    }

    [Fact]
    public void A_key_that_is_too_short_to_seal_to_is_no_transfer_key()
    {
        using var rsa = RSA.Create(2048);
        Assert.Throws<ArgumentException>(() => Key(rsa, "short"));
    }

    [Fact]
    public async Task The_one_kek_that_is_bad_is_named_and_none_is_taken_in()
    {
        const int Count = 18, Bad = 16; // in the second call into the token
        var transferKey = await TransferKeyAsync();
        await using var peer = pair.Peer.Open(Patient(pair.Peer));
        PeerKek[] keks = [.. Enumerable.Range(0, Count).Select(_ => SealedInSoftware.Seal(transferKey))];
        using var other = RSA.Create(3072);
        using var great = RSA.Create(4096);
        var id = keks[Bad].Id;
        var blob = keks[Bad].SealedBlob;
        var changed = await RefusedAsync(peer, keks, Bad, keks[Bad] with { SealedBlob = Changed(blob, 100) }, "does not open under this token's transfer key");
        Assert.Equal(pair.Peer.SaysOfBrokenPadding, changed.ReturnCodeName);
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { SealedBlob = Filled(blob, 0x00) }, "does not open under this token's transfer key");
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { SealedBlob = Filled(blob, 0xff) }, "does not open under this token's transfer key");
        await RefusedAsync(peer, keks, Bad, SealedInSoftware.Seal(Key(other, "other")) with { Id = id }, "does not open under this token's transfer key");
        await RefusedAsync(peer, keks, Bad, SealedInSoftware.Seal(Key(great, "great")) with { Id = id }, "does not open under this token's transfer key");
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { SealedBlob = blob[..41] }, "is none that a token of this service sealed");
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { SealedBlob = Changed(blob, 0) }, "is none that a token of this service sealed");
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { CheckValue = keks[Bad + 1].CheckValue }, "opens to another key than its check value says");
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { SealedBlob = keks[Bad + 1].SealedBlob }, "opens to another key than its check value says");
        await RefusedAsync(peer, keks, Bad, keks[Bad] with { CheckValue = Changed(keks[Bad].CheckValue, 40) }, "opens to another key than its check value says");

        var admitted = await peer.AdmitKeksAsync(keks, Cancellation);
        Assert.Equal(keks.Select(kek => kek.Id), admitted.Select(kek => kek.Id));
        // AES-KW is deterministic: whoever goes on after an interruption gets the same blobs again.
        Assert.Equal(admitted[Bad].RootBlob, Assert.Single(await peer.AdmitKeksAsync([keks[Bad]], Cancellation)).RootBlob);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => peer.AdmitKeksAsync([], Cancellation));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => peer.AdmitKeksAsync([.. Enumerable.Repeat(keks[0], HsmToken.MaxAdmitted + 1)], Cancellation));
    }

    [Fact]
    public async Task A_short_key_in_a_seal_is_not_taken_in()
    {
        var transferKey = await TransferKeyAsync();
        await using var peer = pair.Peer.Open(Patient(pair.Peer));
        var kek = SealedInSoftware.Seal(transferKey, KeyVersionId.NewRandom(), RandomNumberGenerator.GetBytes(16)); // whose check value is right
        await Assert.ThrowsAsync<HsmException>(() => peer.AdmitKeksAsync([kek], Cancellation));
        Assert.Empty(LeftObjects.Dangerous(pair.Peer));
    }

    [Fact]
    public async Task A_token_without_root_or_transfer_key_takes_nothing()
    {
        using var rsa = RSA.Create(3072);
        var kek = SealedInSoftware.Seal(Key(rsa, "somebody"));
        using var another = pair.Peer.Another();
        await using var token = another.Open(Patient(another));
        Assert.Equal(HsmFault.HierarchyMissing, (await Assert.ThrowsAsync<HsmException>(() => token.AdmitKeksAsync([kek], Cancellation))).Fault);
        await token.InitializeHierarchyAsync(backupKeyFile: null, Cancellation);
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.AdmitKeksAsync([kek], Cancellation));
        Assert.Equal(HsmFault.HierarchyMissing, refused.Fault);
        Assert.Contains("no transfer key", refused.Message, StringComparison.Ordinal);
    }

    private static TransferKey Key(RSA rsa, string serial) => TransferKey.Create(serial, rsa.ExportSubjectPublicKeyInfo());

    private static byte[] Plaintext(int i) => SHA256.HashData([(byte)i]);

    private static byte[] Changed(ReadOnlyMemory<byte> bytes, int at)
    {
        var changed = bytes.ToArray();
        changed[at] ^= 1;
        return changed;
    }

    private static byte[] Filled(ReadOnlyMemory<byte> blob, byte with) => [blob.Span[0], .. Enumerable.Repeat(with, blob.Length - 1)];

    /// <summary>On a machine that has much to do an RSA key takes its time.</summary>
    private static HsmConfiguration Patient(TokenDirectory directory) => directory.Configuration with { WatchdogTimeout = TimeSpan.FromMinutes(2) };

    private async Task<TransferKey> TransferKeyAsync()
    {
        await using var peer = pair.Peer.Open(Patient(pair.Peer));
        await peer.InitializeHierarchyAsync(backupKeyFile: null, Cancellation);
        var key = await peer.GetTransferKeyAsync(Cancellation);
        // Two tokens of NSS have one serial number, so they could not be of one installation; here it is about what the module can.
        return pair.Maker.Serial == key.TokenSerial ? TransferKey.Create("peer", key.PublicKey.Span) : key;
    }

    private async Task<HsmException> RefusedAsync(HsmToken peer, PeerKek[] keks, int bad, PeerKek instead, string says)
    {
        var refused = await Assert.ThrowsAsync<HsmException>(() => peer.AdmitKeksAsync([.. keks[..bad], instead, .. keks[(bad + 1)..]], Cancellation));
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
        Assert.Contains(keks[bad].Id.ToString(), refused.Message, StringComparison.Ordinal);
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
        Assert.All(keks, kek => Assert.False(peer.IsLoaded(kek.Id)));
        Assert.Empty(LeftObjects.Dangerous(pair.Peer));
        return refused;
    }
}

/// <summary>From SoftHSM to SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmPeerTests(TokenPair<SoftHsmDirectory, SoftHsmDirectory> pair) : PeerContract(pair), IClassFixture<TokenPair<SoftHsmDirectory, SoftHsmDirectory>>;

/// <summary>From HsmSim over SoftHSM to another.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimPeerTests(TokenPair<SimulatedDirectory, SimulatedDirectory> pair)
    : PeerContract(pair), IClassFixture<TokenPair<SimulatedDirectory, SimulatedDirectory>>;

/// <summary>From NSS softokn to NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssPeerTests(TokenPair<NssDirectory, NssDirectory> pair) : PeerContract(pair), IClassFixture<TokenPair<NssDirectory, NssDirectory>>;

/// <summary>From SoftHSM to NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmToNssPeerTests(TokenPair<SoftHsmDirectory, NssDirectory> pair) : PeerContract(pair), IClassFixture<TokenPair<SoftHsmDirectory, NssDirectory>>;

/// <summary>From NSS softokn to SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssToSoftHsmPeerTests(TokenPair<NssDirectory, SoftHsmDirectory> pair) : PeerContract(pair), IClassFixture<TokenPair<NssDirectory, SoftHsmDirectory>>;
