using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>A device that fails while a KEK is sealed to peers, or taken in from one: nothing stays, on either side.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class PeerFaultTests : IDisposable
{
    private readonly SimulatedDirectory directory = new();
    private readonly RSA rsa = RSA.Create(3072);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private TransferKey[] Peers => [TransferKey.Create("first", rsa.ExportSubjectPublicKeyInfo()), TransferKey.Create("second", rsa.ExportSubjectPublicKeyInfo())];

    public void Dispose()
    {
        directory.Dispose();
        rsa.Dispose();
    }

    [Theory]
    [InlineData("CKR_MECHANISM_INVALID")]
    [InlineData("CKR_MECHANISM_PARAM_INVALID")]
    [InlineData("CKR_KEY_UNEXTRACTABLE")]
    [InlineData("CKR_KEY_NOT_WRAPPABLE")]
    [InlineData("CKR_KEY_FUNCTION_NOT_PERMITTED")]
    [InlineData("CKR_WRAPPING_KEY_TYPE_INCONSISTENT")]
    public async Task A_module_that_seals_to_no_RSA_key_is_told_apart_and_the_peer_is_named(string code)
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var refused = await NotMadeAsync(token, $"fail C_WrapKey {code} after 3"); // root, backup key, the first peer
        Assert.Equal((HsmFault.MechanismMissing, "C_WrapKey", code), (refused.Fault, refused.Function, refused.ReturnCodeName));
        Assert.Contains("token second", refused.Message, StringComparison.Ordinal);
        Assert.Contains("CKM_RSA_PKCS_OAEP", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_peers_key_that_does_not_come_in_is_named_before_a_kek_is_made()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var before = directory.Control.Calls("C_GenerateKey");
        var refused = await NotMadeAsync(token, "fail C_CreateObject CKR_TEMPLATE_INCONSISTENT after 1");
        Assert.Equal((HsmFault.Unexpected, "C_CreateObject"), (refused.Fault, refused.Function));
        Assert.Contains("token second", refused.Message, StringComparison.Ordinal);
        Assert.Equal(before + 1, directory.Control.Calls("C_GenerateKey")); // by the call that succeeded afterwards
    }

    [Fact]
    public async Task A_code_that_says_nothing_names_the_peer_too()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var refused = await NotMadeAsync(token, "fail C_WrapKey CKR_GENERAL_ERROR every 4");
        Assert.Equal((HsmFault.Unexpected, "C_WrapKey"), (refused.Fault, refused.Function));
        Assert.Contains("token second", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fail C_WrapKey CKR_DEVICE_ERROR after 2")]
    [InlineData("fail C_UnwrapKey CKR_DEVICE_ERROR")]
    [InlineData("fail C_DestroyObject CKR_DEVICE_ERROR")]
    [InlineData("fail C_GenerateKey CKR_DEVICE_ERROR")]
    public async Task A_device_that_fails_makes_no_kek(string rule)
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        Assert.Equal(HsmFault.Unavailable, (await NotMadeAsync(token, rule)).Fault);
    }

    [Fact]
    public async Task A_key_that_the_device_would_not_remove_goes_with_its_session()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        directory.Control.Write("fail C_WrapKey CKR_KEY_UNEXTRACTABLE after 3", "fail C_DestroyObject CKR_FUNCTION_FAILED");
        await Assert.ThrowsAsync<HsmException>(async () => await token.CreateKekAsync(KeyVersionId.NewRandom(), Peers, Cancellation));
        Assert.Empty(LeftObjects.Dangerous(directory));
    }

    [Fact]
    public async Task A_moment_of_failure_costs_a_reconnect_and_every_peer_has_the_kek()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        directory.Control.Write("fail C_WrapKey CKR_DEVICE_ERROR after 3 times 1");
        var kek = await token.CreateKekAsync(KeyVersionId.NewRandom(), Peers, Cancellation);
        Assert.Equal(["first", "second"], kek.Sealed.Select(each => each.TokenId));
        Assert.All(kek.Sealed, each => Assert.True(SealedInSoftware.Opens(rsa, each.Blob, kek.Id, kek.CheckValue)));
        Assert.True(token.IsLoaded(kek.Id));
        Assert.Empty(LeftObjects.Dangerous(directory));
    }

    [Fact]
    public async Task A_seal_that_was_spoilt_on_its_way_out_does_not_open()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        directory.Control.Write("spoil C_WrapKey after 2");
        var kek = await token.CreateKekAsync(KeyVersionId.NewRandom(), Peers, Cancellation); // the device lies, and only a peer can tell
        Assert.ThrowsAny<CryptographicException>(() => SealedInSoftware.Opens(rsa, kek.Sealed[0].Blob, kek.Id, kek.CheckValue));
    }

    [Theory]
    [InlineData("C_UnwrapKey")]
    [InlineData("C_WrapKey")]
    [InlineData("C_Decrypt")]
    [InlineData("C_DestroyObject")]
    public async Task A_device_that_fails_takes_none_in_and_the_same_call_succeeds_when_it_is_well(string function)
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var transferKey = await token.GetTransferKeyAsync(Cancellation);
        PeerKek[] keks = [.. Enumerable.Range(0, 40).Select(_ => SealedInSoftware.Seal(transferKey))];
        directory.Control.Write($"fail {function} CKR_DEVICE_ERROR after 30");
        var failed = await Assert.ThrowsAsync<HsmException>(() => token.AdmitKeksAsync(keks, Cancellation));
        Assert.Equal(HsmFault.Unavailable, failed.Fault);
        directory.Control.Clear();
        Assert.Empty(LeftObjects.Dangerous(directory));

        Assert.Equal(keks.Select(kek => kek.Id), (await token.AdmitKeksAsync(keks, Cancellation)).Select(kek => kek.Id));
        directory.Control.Write($"fail {function} CKR_DEVICE_ERROR after 30 times 1");
        Assert.Equal(keks.Length, (await token.AdmitKeksAsync(keks, Cancellation)).Count);
        Assert.All(keks, kek => Assert.False(token.IsLoaded(kek.Id)));
        Assert.Empty(LeftObjects.Dangerous(directory));
    }

    [Fact]
    public async Task A_kek_that_is_not_itself_and_would_not_be_removed_goes_with_its_session()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var transferKey = await token.GetTransferKeyAsync(Cancellation);
        var kek = SealedInSoftware.Seal(transferKey);
        directory.Control.Write("fail C_DestroyObject CKR_FUNCTION_FAILED");
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.AdmitKeksAsync([kek with { CheckValue = SealedInSoftware.Seal(transferKey).CheckValue }], Cancellation));
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
        Assert.Empty(LeftObjects.Dangerous(directory));
        // A good one whose extractable half would not go is not taken in either.
        await Assert.ThrowsAsync<HsmException>(() => token.AdmitKeksAsync([kek], Cancellation));
        Assert.Empty(LeftObjects.Dangerous(directory));
        directory.Control.Clear();
        Assert.Single(await token.AdmitKeksAsync([kek], Cancellation));
    }

    private async Task<HsmException> NotMadeAsync(HsmToken token, string rule)
    {
        var id = KeyVersionId.NewRandom();
        directory.Control.Write(rule);
        var refused = await Assert.ThrowsAsync<HsmException>(async () => await token.CreateKekAsync(id, Peers, Cancellation));
        directory.Control.Clear();
        Assert.False(token.IsLoaded(id));
        Assert.Empty(LeftObjects.Dangerous(directory));
        Assert.NotEmpty((await token.CreateKekAsync(id, Peers, Cancellation)).Sealed);
        return refused;
    }
}
