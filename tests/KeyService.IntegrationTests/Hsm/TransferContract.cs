using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.Transfers;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>A backup key comes into a token under the token's own RSA key, and cannot be used for anything there but wrapping, on every module.</summary>
public abstract class TransferContract(TokenDirectory directory) : IDisposable
{
    /// <summary>On a machine that has much to do an RSA key takes its time.</summary>
    private HsmConfiguration Patient => directory.Configuration with { WatchdogTimeout = TimeSpan.FromMinutes(2) };

    public void Dispose()
    {
        directory.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_sealed_backup_key_completes_the_hierarchy_and_opens_what_the_token_wraps()
    {
        using var value = SecretBuffer.Random(BackupKeyId.KeyLength);
        await using var token = directory.Open(Patient);
        await token.InitializeHierarchyAsync(null);
        var transferKey = await token.GetTransferKeyAsync();
        Assert.Equal(token.TokenId, transferKey.TokenSerial);
        Assert.Equal(transferKey.Fingerprint, (await token.GetTransferKeyAsync()).Fingerprint);

        await token.ImportBackupKeyAsync(SealedBackupKey.Seal(transferKey, value));

        Assert.True(token.HasHierarchy);
        Assert.Equal(Convert.ToHexStringLower(BackupKeyId.Of(value)), token.BackupKeyId);
        var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
        Assert.Equal(40, AesKeyWrap.Wrap(value.DangerousSpan, BackupKeyId.Pattern).Length);
        Assert.Equal(token.BackupKeyId, kek.BackupKeyId);
        Assert.Contains(token.Guarantees, each => each is { Name: "backup-key-wrap-only", State: HsmGuaranteeState.Held });
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.ImportBackupKeyAsync(SealedBackupKey.Seal(transferKey, value)));
        Assert.Equal(HsmFault.HierarchyConflict, refused.Fault);
    }

    [Fact]
    public async Task The_keys_stand_on_the_token_when_it_is_opened_again()
    {
        using var value = SecretBuffer.Random(BackupKeyId.KeyLength);
        byte[] fingerprint;
        await using (var token = directory.Open())
        {
            await token.InitializeHierarchyAsync(null);
            var transferKey = await token.GetTransferKeyAsync();
            fingerprint = transferKey.Fingerprint;
            await token.ImportBackupKeyAsync(SealedBackupKey.Seal(transferKey, value));
        }
        await using var again = directory.Open(Patient);
        Assert.True(again.HasHierarchy);
        Assert.Equal(fingerprint, (await again.GetTransferKeyAsync()).Fingerprint);
    }

    [Fact]
    public async Task What_was_sealed_for_another_token_or_changed_is_refused_and_leaves_nothing()
    {
        using var value = SecretBuffer.Random(BackupKeyId.KeyLength);
        await using var token = directory.Open(Patient);
        await token.InitializeHierarchyAsync(null);
        using var other = RSA.Create(3072);
        var foreign = TransferKey.Create("other", other.ExportSubjectPublicKeyInfo());
        await RefuseAsync(token, SealedBackupKey.Seal(foreign, value), HsmFault.HierarchyMissing);

        var transferKey = await token.GetTransferKeyAsync();
        await RefuseAsync(token, SealedBackupKey.Seal(foreign, value), HsmFault.IntegrityFailure);
        var good = SealedBackupKey.Seal(transferKey, value);
        var text = Encoding.ASCII.GetString(good.ToArray());
        var id = Convert.ToHexStringLower(good.KeyId.Span);
        using var second = SecretBuffer.Random(BackupKeyId.KeyLength);
        // Another key under this one's name: the token wraps otherwise than the name says.
        await RefuseAsync(token, Parse(text.Replace(id, Convert.ToHexStringLower(BackupKeyId.Of(second)), StringComparison.Ordinal)), HsmFault.IntegrityFailure);
        var wrapped = good.Wrapped.ToArray();
        wrapped[100] ^= 1;
        await RefuseAsync(token, Parse(text.Replace(Convert.ToBase64String(good.Wrapped.Span), Convert.ToBase64String(wrapped), StringComparison.Ordinal)), null);

        Assert.False(token.HasHierarchy);
        await token.ImportBackupKeyAsync(good);
        Assert.Equal(id, token.BackupKeyId);
    }

    [Fact]
    public async Task Who_runs_with_the_token_open_cannot_read_a_backup()
    {
        using var value = SecretBuffer.Random(BackupKeyId.KeyLength);
        await using var token = directory.Open(Patient);
        await token.InitializeHierarchyAsync(null);
        await token.ImportBackupKeyAsync(SealedBackupKey.Seal(await token.GetTransferKeyAsync(), value));
        var kek = await token.CreateKekAsync(KeyVersionId.NewRandom());
        directory.Inspect(session =>
        {
            using var search = KeyTemplates.FindSecretKey(KeyTemplates.BackupLabel);
            var backup = Assert.Single(session.Find(search));
            using var extractable = KeyTemplates.Extractable(WrappedKeyKind.Kek, withLength: false);
            Assert.NotEqual(CKR.CKR_OK, session.TryUnwrap(CKM.CKM_AES_KEY_WRAP, backup, kek.BackupBlob[1..], extractable, out _));
            using var plain = KeyTemplates.Unwrapped(WrappedKeyKind.Kek);
            Assert.NotEqual(CKR.CKR_OK, session.TryUnwrap(CKM.CKM_AES_KEY_WRAP, backup, kek.BackupBlob[1..], plain, out _));
            Assert.NotEqual(CKR.CKR_OK, session.ReadBytes(backup, CKA.CKA_VALUE, 64, out _));
            foreach (var (attribute, to) in new[] { (CKA.CKA_UNWRAP, true), (CKA.CKA_DECRYPT, true), (CKA.CKA_ENCRYPT, true), (CKA.CKA_EXTRACTABLE, true), (CKA.CKA_SENSITIVE, false) })
            {
                using var change = new AttributeTemplate().Add(attribute, to);
                _ = session.TrySet(backup, change);
                Assert.Equal(!to, session.ReadFlag(backup, attribute));
            }
        });
        directory.Inspect(session =>
        {
            using var search = KeyTemplates.FindSecretKey(KeyTemplates.BackupLabel);
            Assert.NotEqual(CKR.CKR_OK, session.TryDecryptInit(Assert.Single(session.Find(search))));
        });
        directory.Inspect(session =>
        {
            using var search = KeyTemplates.FindSecretKey(KeyTemplates.BackupLabel);
            Assert.NotEqual(CKR.CKR_OK, session.TryEncryptInit(Assert.Single(session.Find(search))));
        });
    }

    [Fact]
    public async Task A_scratch_token_loses_its_root_and_one_of_a_service_does_not()
    {
        await using (var scratch = directory.Open(Patient))
        {
            await scratch.InitializeHierarchyAsync(null);
            await scratch.DestroyScratchRootAsync();
        }
        await using var token = directory.Open(Patient);
        Assert.False(token.HasRoot);
        using var value = SecretBuffer.Random(BackupKeyId.KeyLength);
        await token.InitializeHierarchyAsync(null);
        await token.ImportBackupKeyAsync(value);
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.DestroyScratchRootAsync());
        Assert.Equal(HsmFault.HierarchyConflict, refused.Fault);
        Assert.True((await token.ProbeAsync()).IsHealthy);
        await token.CreateKekAsync(KeyVersionId.NewRandom());
    }

    private static async Task RefuseAsync(HsmToken token, SealedBackupKey sealedKey, HsmFault? fault)
    {
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.ImportBackupKeyAsync(sealedKey));
        Assert.Equal(fault ?? refused.Fault, refused.Fault); // what a module says of broken padding is its own
        Assert.Null(token.BackupKeyId);
    }

    private static SealedBackupKey Parse(string text) => SealedBackupKey.TryParse(Encoding.ASCII.GetBytes(text), out var key) ? key! : throw new InvalidDataException(text);
}

/// <summary>On SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmTransferTests() : TransferContract(new SoftHsmDirectory())
{
    [Fact]
    public async Task A_token_that_is_wiped_holds_nothing_and_no_pin()
    {
        using var directory = new SoftHsmDirectory();
        await using (await directory.OpenWithHierarchyAsync())
        {
        }
        var officerPin = System.IO.Path.Combine(directory.Path, $"so-pin-{SoftHsmDirectory.Label}");
        Assert.Throws<HsmException>(() => TokenProvisioning.WipeToken(Infrastructure.SoftHsmModule, SoftHsmDirectory.Label, "no such serial", officerPin));
        TokenProvisioning.WipeToken(Infrastructure.SoftHsmModule, SoftHsmDirectory.Label, directory.Serial, officerPin);
        Assert.Throws<HsmException>(() => directory.Open(directory.Configuration with { TokenSerial = null }));
        // It can be provisioned again, and is empty then.
        directory.AddToken(SoftHsmDirectory.Label);
        await using var again = directory.Open(directory.Configuration with { TokenSerial = null });
        Assert.False(again.HasRoot);
        Assert.Null(again.BackupKeyId);
    }
}

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimTransferTests() : TransferContract(new SimulatedDirectory());

/// <summary>On NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssTransferTests() : TransferContract(new NssDirectory());
