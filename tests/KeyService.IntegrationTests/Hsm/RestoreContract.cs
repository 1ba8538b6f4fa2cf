using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// Keys that SoftHSM made and a backup key wrapped, brought onto a token of every module; the token they were made on is gone by then.
/// </summary>
public abstract class RestoreContract(TokenDirectory directory)
{
    private const int Versions = 20;

    [Fact]
    public async Task Keys_of_another_token_open_here_what_they_encrypted_there()
    {
        using var lost = await LostToken.MakeAsync(Versions);
        await using var token = await OpenAsync();
        var restored = await token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: true, Cancellation);
        Assert.Equal(lost.Keks.Select(kek => kek.Id), restored.Select(kek => kek.Id));
        Assert.All(lost.Keks, kek => Assert.True(token.IsLoaded(kek.Id)));
        await OpensAsync(token, lost);
        Assert.Empty(Extractable());

        var integrity = await token.RestoreIntegrityKeyAsync(
            lost.BackupKey, lost.BackupKeyId, lost.Integrity.BackupBlob, lost.Integrity.CheckValue, keepLoaded: true, Cancellation);
        Assert.Equal(token.TokenId, integrity.TokenId);
        Assert.NotEqual(lost.Integrity.RootBlob, integrity.RootBlob);
        Assert.Equal(lost.Mac, await token.MacAsync("row"u8.ToArray(), Cancellation));

        // What a restart finds: nothing but the blobs under this root.
        await token.UnloadAsync(restored[0].Id, Cancellation);
        await token.LoadKekAsync(restored[0].Id, restored[0].RootBlob, lost.Keks[0].CheckValue, Cancellation);
        await OpensAsync(token, lost);
    }

    [Fact]
    public async Task What_is_only_proven_leaves_nothing_in_the_token()
    {
        using var lost = await LostToken.MakeAsync(3);
        await using var token = await OpenAsync();
        var before = token.LoadedKeks;
        var restored = await token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: false, Cancellation);
        await token.RestoreIntegrityKeyAsync(lost.BackupKey, lost.BackupKeyId, lost.Integrity.BackupBlob, lost.Integrity.CheckValue, keepLoaded: false, Cancellation);
        Assert.Equal(before, token.LoadedKeks);
        Assert.All(restored, kek => Assert.False(token.IsLoaded(kek.Id)));
        Assert.Empty(Extractable());
        // Wrapping is deterministic: whoever goes on after an interruption gets the same blobs again.
        Assert.Equal(
            restored.Select(kek => kek.RootBlob),
            (await token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: false, Cancellation)).Select(kek => kek.RootBlob));
    }

    [Fact]
    public async Task Another_backup_key_is_refused_before_the_token_sees_it()
    {
        using var lost = await LostToken.MakeAsync(1);
        await using var token = await OpenAsync();
        using var other = SecretBuffer.Random(32);
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.RestoreKeksAsync(other, lost.BackupKeyId, lost.Keks, keepLoaded: true, Cancellation));
        Assert.Equal(HsmFault.HierarchyConflict, refused.Fault);
        Assert.Contains(lost.BackupKeyId, refused.Message, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(BackupKeyId.Of(other)), refused.Message, StringComparison.Ordinal);
        Assert.Equal(refused.Message, (await Assert.ThrowsAsync<HsmException>(() => token.RestoreIntegrityKeyAsync(
            other, lost.BackupKeyId, lost.Integrity.BackupBlob, lost.Integrity.CheckValue, keepLoaded: true, Cancellation))).Message);

        // One that lies about its id opens nothing, and the version is named.
        await RefusedAsync(token, other, Convert.ToHexStringLower(BackupKeyId.Of(other)), lost.Keks, lost.Keks[0].Id, "does not open under this backup key");
        var integrity = await Assert.ThrowsAsync<HsmException>(() => token.RestoreIntegrityKeyAsync(
            other, Convert.ToHexStringLower(BackupKeyId.Of(other)), lost.Integrity.BackupBlob, lost.Integrity.CheckValue, keepLoaded: true, Cancellation));
        Assert.Equal(HsmFault.IntegrityFailure, integrity.Fault);
        Assert.Contains("integrity key in the bundle does not open", integrity.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_one_blob_that_is_bad_is_named_and_none_of_the_others_stays()
    {
        using var lost = await LostToken.MakeAsync(Versions);
        await using var token = await OpenAsync();
        const int bad = Versions - 2; // in the second call into the token: what the first one loaded must go again
        await RefusedAsync(token, lost, bad, kek => kek with { BackupBlob = Changed(kek.BackupBlob, 20) }, "does not open under this backup key");
        await RefusedAsync(token, lost, bad, kek => kek with { BackupBlob = lost.Keks[0].BackupBlob }, "opens to another key than its check value says");
        await RefusedAsync(token, lost, bad, kek => kek with { CheckValue = Changed(kek.CheckValue, 40) }, "opens to another key than its check value says");
        await RefusedAsync(token, lost, bad, kek => kek with { BulkKey = Changed(kek.BulkKey, 40) }, "does not open under that version's KEK");
        await RefusedAsync(token, lost, bad, kek => kek with { BulkKey = lost.Keks[0].BulkKey }, "does not open under that version's KEK");
        await RefusedAsync(token, lost, bad, kek => kek with { BackupBlob = kek.BackupBlob[..40] }, "is not one of this service");
        var integrity = await Assert.ThrowsAsync<HsmException>(() => token.RestoreIntegrityKeyAsync(
            lost.BackupKey, lost.BackupKeyId, lost.Keks[0].BackupBlob, lost.Integrity.CheckValue, keepLoaded: true, Cancellation));
        Assert.Contains("integrity key in the bundle opens to another key", integrity.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_withtakeablea_root_takes_nothing()
    {
        using var lost = await LostToken.MakeAsync(1);
        using var another = directory.Another();
        await using var token = another.Open();
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: true, Cancellation));
        Assert.Equal(HsmFault.HierarchyMissing, refused.Fault);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static byte[] Changed(ReadOnlyMemory<byte> bytes, int at)
    {
        var changed = bytes.ToArray();
        changed[at] ^= 1;
        return changed;
    }

    private async Task RefusedAsync(HsmToken token, LostToken lost, int bad, Func<BackedUpKek, BackedUpKek> change, string says)
    {
        var keks = lost.Keks.ToArray();
        keks[bad] = change(keks[bad]);
        await RefusedAsync(token, lost.BackupKey, lost.BackupKeyId, keks, keks[bad].Id, says);
    }

    private async Task RefusedAsync(HsmToken token, SecretBuffer backupKey, string backupKeyId, IReadOnlyList<BackedUpKek> keks, KeyVersionId named, string says)
    {
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.RestoreKeksAsync(backupKey, backupKeyId, keks, keepLoaded: true, Cancellation));
        Assert.Equal(HsmFault.IntegrityFailure, refused.Fault);
        Assert.Contains(named.ToString(), refused.Message, StringComparison.Ordinal);
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
        Assert.All(keks, kek => Assert.False(token.IsLoaded(kek.Id)));
        Assert.Empty(Extractable());
    }

    private async Task<HsmToken> OpenAsync()
    {
        var token = directory.Open();
        try
        {
            await token.InitializeHierarchyAsync(backupKeyFile: null, Cancellation);
            return token;
        }
        catch
        {
            await token.DisposeAsync();
            throw;
        }
    }

    private static async Task OpensAsync(HsmToken token, LostToken lost)
    {
        foreach (var (id, wrapped, hash) in lost.DataKeys)
        {
            var plaintext = new byte[WrappedDataKey.DataKeyLength];
            Assert.True(await token.UnwrapDataKeyAsync(id, wrapped, LostToken.Aad, plaintext, Cancellation));
            Assert.Equal(hash, SHA256.HashData(plaintext));
        }
    }

    // Session objects that could be taken out, and keys that could unwrap: every session of the process sees them.
    private List<KeyHandle> Extractable()
    {
        var module = Pkcs11Module.Acquire(directory.Configuration.ModulePath, directory.Configuration.NssParameters);
        try
        {
            var (slot, _) = TokenLocator.Find(module, directory.Configuration.TokenLabel, directory.Serial);
            var session = new HsmSession(module, slot, readWrite: false);
            try
            {
                using var takeable = new AttributeTemplate().Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY).Add(CKA.CKA_TOKEN, false).Add(CKA.CKA_EXTRACTABLE, true);
                using var unwrapping = new AttributeTemplate().Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY).Add(CKA.CKA_TOKEN, false).Add(CKA.CKA_UNWRAP, true);
                return [.. session.Find(takeable), .. session.Find(unwrapping)];
            }
            finally
            {
                session.Close();
            }
        }
        finally
        {
            module.Release();
        }
    }
}

/// <summary>What is left of a SoftHSM token that is gone: what a bundle holds, the backup key, and what was encrypted.</summary>
internal sealed class LostToken : IDisposable
{
    internal static readonly byte[] Aad = [4, 2];

    private LostToken(SecretBuffer backupKey) => BackupKey = backupKey;

    internal SecretBuffer BackupKey { get; }

    internal string BackupKeyId { get; private set; } = "";

    internal IReadOnlyList<BackedUpKek> Keks { get; private set; } = [];

    internal IReadOnlyList<(KeyVersionId Id, byte[] Wrapped, byte[] Hash)> DataKeys { get; private set; } = [];

    internal NewIntegrityKey Integrity { get; private set; } = null!;

    internal byte[] Mac { get; private set; } = [];

    public void Dispose() => BackupKey.Dispose();

    internal static async Task<LostToken> MakeAsync(int versions)
    {
        using var directory = new SoftHsmDirectory();
        await using var token = await directory.OpenWithHierarchyAsync();
        var lost = new LostToken(BackupKeyFile.Read(directory.BackupKeyFile)) { BackupKeyId = token.BackupKeyId! };
        var keks = new List<BackedUpKek>();
        var dataKeys = new List<(KeyVersionId, byte[], byte[])>();
        for (var i = 0; i < versions; i++)
        {
            var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
            var bulkKey = new byte[WrappedDataKey.Length];
            var bulkAad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, kek.Id, default, EncryptionContext.Empty);
            await token.GenerateDataKeysAsync(kek.Id, 1, _ => bulkAad, default, bulkKey);
            keks.Add(new BackedUpKek(kek.Id, kek.BackupBlob, kek.CheckValue, bulkKey));
            var plaintext = new byte[WrappedDataKey.DataKeyLength];
            var wrapped = new byte[WrappedDataKey.Length];
            await token.GenerateDataKeysAsync(kek.Id, 1, _ => Aad, plaintext, wrapped);
            dataKeys.Add((kek.Id, wrapped, SHA256.HashData(plaintext)));
        }
        (lost.Keks, lost.DataKeys) = (keks, dataKeys);
        lost.Integrity = await token.CreateIntegrityKeyAsync();
        lost.Mac = await token.MacAsync("row"u8.ToArray());
        return lost;
    }
}

/// <summary>On a fresh SoftHSM token.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmRestoreTests(SoftHsmDirectory directory) : RestoreContract(directory), IClassFixture<SoftHsmDirectory>;

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimRestoreTests(SimulatedDirectory directory) : RestoreContract(directory), IClassFixture<SimulatedDirectory>;

/// <summary>On NSS softokn, another vendor's module.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssRestoreTests(NssDirectory directory) : RestoreContract(directory), IClassFixture<NssDirectory>;

/// <summary>A device that fails in the middle of a batch.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class RestoreFaultTests : IDisposable
{
    private readonly SoftHsmDirectory directory = new();

    public void Dispose() => directory.Dispose();

    [Theory]
    [InlineData("C_UnwrapKey")]
    [InlineData("C_WrapKey")]
    [InlineData("C_CreateObject")]
    [InlineData("C_Decrypt")]
    [InlineData("C_DestroyObject")]
    public async Task A_device_that_fails_in_the_middle_leaves_nothing_half_and_the_same_call_succeeds_when_it_is_well(string function)
    {
        using var lost = await LostToken.MakeAsync(40);
        directory.Use();
        var (faults, configuration) = await directory.SimulateAsync();
        await using var token = HsmToken.Open(configuration);
        await token.InitializeHierarchyAsync(backupKeyFile: null, TestContext.Current.CancellationToken);
        faults.Write($"fail {function} CKR_DEVICE_ERROR after {(function == "C_CreateObject" ? 1 : 30)}");
        var failed = await Assert.ThrowsAsync<HsmException>(
            () => token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: true, TestContext.Current.CancellationToken));
        Assert.Equal(HsmFault.Unavailable, failed.Fault);
        Assert.All(lost.Keks, kek => Assert.False(token.IsLoaded(kek.Id)));

        faults.Clear();
        var restored = await token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: true, TestContext.Current.CancellationToken);
        Assert.Equal(lost.Keks.Count, restored.Count);
        Assert.All(lost.Keks, kek => Assert.True(token.IsLoaded(kek.Id)));
    }

    [Fact]
    public async Task A_moment_of_failure_costs_a_reconnect_and_the_batch_is_whole()
    {
        using var lost = await LostToken.MakeAsync(40);
        directory.Use();
        var (faults, configuration) = await directory.SimulateAsync();
        await using var token = HsmToken.Open(configuration);
        await token.InitializeHierarchyAsync(backupKeyFile: null, TestContext.Current.CancellationToken);
        faults.Write("fail C_WrapKey CKR_DEVICE_ERROR after 20 times 1");
        var restored = await token.RestoreKeksAsync(lost.BackupKey, lost.BackupKeyId, lost.Keks, keepLoaded: false, TestContext.Current.CancellationToken);
        Assert.Equal(lost.Keks.Select(kek => kek.Id), restored.Select(kek => kek.Id));
    }
}
