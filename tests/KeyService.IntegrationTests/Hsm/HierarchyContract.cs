using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>The key hierarchy on every module, and what each is seen to guarantee.</summary>
public abstract class HierarchyContract(TokenDirectory directory) : IDisposable
{
    public void Dispose()
    {
        directory.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_new_token_has_no_hierarchy_and_says_what_makes_one()
    {
        await using var token = directory.Open();
        Assert.False(token.HasHierarchy);
        Assert.Empty(token.Guarantees);
        Assert.Null(token.BackupKeyId);
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.CreateKekAsync(KeyVersionId.NewRandom()).AsTask());
        Assert.Equal(HsmFault.HierarchyMissing, refused.Fault);
        Assert.Contains("keyservice init", refused.Message, StringComparison.Ordinal);
        var health = await token.ProbeAsync();
        Assert.Equal(HsmState.NoHierarchy, health.State);
        Assert.True(health.IsHealthy);
    }

    [Fact]
    public async Task Root_and_backup_key_have_exactly_the_attributes_of_the_design()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        Assert.True(token.HasHierarchy);
        directory.Inspect(session =>
        {
            var root = Assert.Single(FindAll(session, KeyTemplates.RootLabel));
            var backup = Assert.Single(FindAll(session, KeyTemplates.BackupLabel));
            foreach (var key in new[] { root, backup })
            {
                AssertFlags(session, key, expected: true, CKA.CKA_TOKEN, CKA.CKA_PRIVATE, CKA.CKA_SENSITIVE, CKA.CKA_WRAP);
                AssertFlags(session, key, expected: false, CKA.CKA_EXTRACTABLE, CKA.CKA_MODIFIABLE, CKA.CKA_COPYABLE, CKA.CKA_ENCRYPT, CKA.CKA_DECRYPT,
                    CKA.CKA_SIGN, CKA.CKA_VERIFY, CKA.CKA_DERIVE);
                Assert.Equal((ulong)CKK.CKK_AES, session.ReadNumber(key, CKA.CKA_KEY_TYPE));
                Assert.Equal(32UL, session.ReadNumber(key, CKA.CKA_VALUE_LEN));
            }
            AssertFlags(session, root, expected: true, CKA.CKA_UNWRAP, CKA.CKA_LOCAL, CKA.CKA_ALWAYS_SENSITIVE, CKA.CKA_NEVER_EXTRACTABLE);
            AssertFlags(session, backup, expected: false, CKA.CKA_UNWRAP, CKA.CKA_LOCAL);
        });
    }

    [Fact]
    public async Task Making_the_hierarchy_again_leaves_every_key_as_it_is()
    {
        string? backupKeyId;
        byte[] rootId = [];
        await using (var token = await directory.OpenWithHierarchyAsync())
        {
            backupKeyId = token.BackupKeyId;
            directory.Inspect(session => session.ReadBytes(FindAll(session, KeyTemplates.RootLabel)[0], CKA.CKA_ID, 64, out rootId));
        }
        await using var again = directory.Open();
        await again.InitializeHierarchyAsync(directory.BackupKeyFile);
        Assert.Equal(backupKeyId, again.BackupKeyId);
        directory.Inspect(session =>
        {
            session.ReadBytes(Assert.Single(FindAll(session, KeyTemplates.RootLabel)), CKA.CKA_ID, 64, out var id);
            Assert.Equal(rootId, id);
        });
    }

    [Fact]
    public async Task The_backup_key_file_is_marked_private_and_opens_the_backup_blobs()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(directory.BackupKeyFile));
        Assert.StartsWith("# DEVELOPMENT ONLY", await File.ReadAllTextAsync(directory.BackupKeyFile), StringComparison.Ordinal);

        var id = KeyVersionId.NewRandom();
        var kek = await token.CreateKekAsync(id);
        Assert.Equal(token.BackupKeyId, kek.BackupKeyId);
        Assert.Equal((41, 41, 69), (kek.RootBlob.Length, kek.BackupBlob.Length, kek.CheckValue.Length));

        // Without the token: the KEK comes out of the backup blob by the file's value, and opens the check value.
        using var backupKey = KeyService.Hsm.BackupKeyFile.Read(directory.BackupKeyFile);
        var value = UnwrapInSoftware(backupKey.DangerousSpan, kek.BackupBlob.AsSpan(1));
        Assert.True(WrappedDataKey.TryParse(kek.CheckValue, out var check));
        var hash = new byte[32];
        using var gcm = new AesGcm(value, 16);
        gcm.Decrypt(check.Iv, check.Ciphertext, check.Tag, hash,
            AssociatedData.ToArray(AadPurpose.CheckValue, WrappedDataKey.Format, id, [], EncryptionContext.Empty));
        var idBytes = new byte[8];
        id.WriteTo(idBytes);
        Assert.Equal(SHA256.HashData(idBytes), hash);
    }

    [Fact]
    public async Task A_file_of_another_backup_key_is_refused()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        var other = Path.Combine(directory.Path, "other.key");
        using (var value = SecretBuffer.Random(32))
        {
            KeyService.Hsm.BackupKeyFile.Write(other, value);
        }
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.InitializeHierarchyAsync(other));
        Assert.Equal(HsmFault.HierarchyConflict, refused.Fault);
        Assert.True((await token.ProbeAsync()).IsHealthy);
    }

    [Fact]
    public async Task A_file_written_before_a_crash_is_used_and_not_replaced()
    {
        using (var value = SecretBuffer.Random(32))
        {
            KeyService.Hsm.BackupKeyFile.Write(directory.BackupKeyFile, value);
        }
        var before = await File.ReadAllBytesAsync(directory.BackupKeyFile);
        await using var token = await directory.OpenWithHierarchyAsync();
        Assert.Equal(before, await File.ReadAllBytesAsync(directory.BackupKeyFile));
        using var kept = KeyService.Hsm.BackupKeyFile.Read(directory.BackupKeyFile);
        Assert.Equal(Convert.ToHexStringLower(BackupKey.IdOf(kept)), token.BackupKeyId);
    }

    [Fact]
    public async Task Without_a_file_only_the_root_is_made_and_the_backup_key_can_be_imported_once()
    {
        await using var token = directory.Open();
        await token.InitializeHierarchyAsync(null);
        Assert.False(token.HasHierarchy);
        using var value = SecretBuffer.Random(32);
        await token.ImportBackupKeyAsync(value);
        Assert.True(token.HasHierarchy);
        Assert.False(File.Exists(directory.BackupKeyFile));
        var refused = await Assert.ThrowsAsync<HsmException>(() => token.ImportBackupKeyAsync(value));
        Assert.Equal(HsmFault.HierarchyConflict, refused.Fault);
    }

    [Fact]
    public async Task A_second_root_key_of_the_same_label_is_refused_at_open()
    {
        await using (await directory.OpenWithHierarchyAsync())
        {
            directory.Inspect(session =>
            {
                TemplateFallback.Make(reach =>
                {
                    using var template = KeyTemplates.Root([1, 2, 3, 4, 5, 6, 7, 8], reach);
                    return session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "a second root");
                });
            });
        }
        var refused = Assert.Throws<HsmException>(() => directory.Open());
        Assert.Equal(HsmFault.HierarchyConflict, refused.Fault);
    }

    [Fact]
    public async Task A_root_key_somebody_else_made_extractable_is_refused_at_open()
    {
        var isReadable = false;
        await using (directory.Open())
        {
            directory.Inspect(session =>
            {
                using var template = new AttributeTemplate()
                    .Add(CKA.CKA_CLASS, CKO.CKO_SECRET_KEY).Add(CKA.CKA_KEY_TYPE, CKK.CKK_AES).Add(CKA.CKA_LABEL, KeyTemplates.RootLabel)
                    .Add(CKA.CKA_TOKEN, true).Add(CKA.CKA_PRIVATE, true).Add(CKA.CKA_WRAP, true).Add(CKA.CKA_UNWRAP, true)
                    .Add(CKA.CKA_SENSITIVE, false).Add(CKA.CKA_EXTRACTABLE, true).Add(CKA.CKA_VALUE_LEN, 32UL);
                isReadable = session.ReadFlag(session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "a weak root"), CKA.CKA_SENSITIVE) == false;
            });
        }
        var refused = Assert.Throws<HsmException>(() => directory.Open());
        Assert.Equal(HsmFault.AttributesWrong, refused.Fault);
        Assert.Contains("CKA_EXTRACTABLE is True", refused.Message, StringComparison.Ordinal);
        Assert.Equal(isReadable, refused.Message.Contains("CKA_SENSITIVE is False", StringComparison.Ordinal)); // NSS makes it sensitive all the same
    }

    [Fact]
    public async Task What_the_module_guarantees_is_reported_and_what_it_does_not_is_shown_as_not_held()
    {
        await using var token = await directory.OpenWithHierarchyAsync();
        Assert.True(token.DevelopmentOnly);
        Assert.Equal(
            [
                "root-made-in-token", "root-not-readable", "root-not-extractable", "root-only-wraps", "root-not-copyable", "root-not-modifiable", "unwrap-template-enforced",
                "backup-key-wrap-only", "kek-not-readable", "non-extractable-enforced", "extractable-is-final", "kek-only-encrypts", "empty-iv-refused",
                "damage-reported-clearly", "iv-from-token",
            ],
            token.Guarantees.Select(guarantee => guarantee.Name));
        Assert.All(token.Guarantees, guarantee => Assert.Contains(
            guarantee.State, directory.NotHeld.GetValueOrDefault(guarantee.Name, [HsmGuaranteeState.Held])));
    }

    [Fact]
    public async Task Every_mechanism_was_chosen_by_its_answer()
    {
        await using var token = directory.Open();
        Assert.Equal(
            [
                ("CKM_AES_KEY_WRAP", HsmMechanismProof.KnownAnswer), ("CKM_AES_GCM", HsmMechanismProof.KnownAnswer),
                ("CKM_SHA256_HMAC", HsmMechanismProof.KnownAnswer), ("CKM_ECDSA", HsmMechanismProof.CrossCheck),
            ],
            token.Mechanisms.Select(choice => (choice.MechanismName, choice.Proof)));
        Assert.Equal(0x2109UL, token.Mechanisms[0].Mechanism);
    }

    private static List<KeyHandle> FindAll(HsmSession session, string label)
    {
        using var template = KeyTemplates.FindSecretKey(label);
        return session.Find(template);
    }

    /// <summary>What the module does not know, or does not do, it does not show as done.</summary>
    private void AssertFlags(HsmSession session, KeyHandle key, bool expected, params CKA[] attributes) => Assert.All(
        attributes,
        attribute => Assert.Equal(
            (attribute, directory.ShownOtherwise.GetValueOrDefault(attribute.ToString(), expected)), (attribute, session.ReadFlag(key, attribute))));

    /// <summary>AES-KW unwrap by RFC 3394 section 2.2.2, written for this test only.</summary>
    private static byte[] UnwrapInSoftware(ReadOnlySpan<byte> key, ReadOnlySpan<byte> wrapped)
    {
        using var aes = Aes.Create();
        aes.SetKey(key);
        var count = (wrapped.Length / 8) - 1;
        var registers = wrapped[8..].ToArray();
        var block = new byte[16];
        wrapped[..8].CopyTo(block);
        for (var step = 6 * count; step >= 1; step--)
        {
            var register = registers.AsSpan(8 * ((step - 1) % count), 8);
            var counter = BitConverter.GetBytes((ulong)step);
            for (var i = 0; i < 8; i++)
            {
                block[7 - i] ^= counter[i];
            }
            register.CopyTo(block.AsSpan(8));
            aes.DecryptEcb(block, block, PaddingMode.None);
            block.AsSpan(8).CopyTo(register);
        }
        Assert.All(block[..8], part => Assert.Equal(0xA6, part));
        return registers;
    }
}

/// <summary>On SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class SoftHsmHierarchyTests() : HierarchyContract(new SoftHsmDirectory());

/// <summary>On HsmSim over SoftHSM.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimHierarchyTests() : HierarchyContract(new SimulatedDirectory());

/// <summary>On NSS softokn.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class NssHierarchyTests() : HierarchyContract(new NssDirectory());
