using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Hsm;
using KeyService.IntegrationTests.Hsm;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.IntegrationTests.Restore;

/// <summary>A full bundle of 100,000 versions, as an installation of years would write it.</summary>
internal static class ManyVersions
{
    private const int Keys = 20_000;
    private const int VersionsOfKey = 5;

    public const int Count = Keys * VersionsOfKey;

    /// <param name="bundle">Gets the bundle.</param>
    /// <param name="signerPath">Gets the key that signed it, PEM.</param>
    /// <param name="keyPath">Gets the 32 bytes of its backup key.</param>
    public static async Task WriteAsync(string bundle, string signerPath, string keyPath)
    {
        using var directory = new SoftHsmDirectory();
        await using var token = await directory.OpenWithHierarchyAsync();
        using var signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var integrity = await token.CreateIntegrityKeyAsync();
        await using var stream = File.Create(bundle);
        using var writer = new BundleWriter(stream, BundleHeader.Create(
            RandomNumberGenerator.GetBytes(16), RandomNumberGenerator.GetBytes(16), 1, BundleKind.Full, UnixTime.Nanoseconds(LostBundles.MadeTime),
            Convert.FromHexString(token.BackupKeyId!), []));
        await writer.WriteIntegrityKeyAsync(integrity.BackupBlob, integrity.CheckValue);
        for (var key = 0; key < Keys; key++)
        {
            var ids = Enumerable.Range(0, VersionsOfKey).Select(_ => KeyVersionId.NewRandom()).Order().ToList();
            await writer.WriteKeyAsync($"ehr/{key:000000}", (BundleAttribute[])
            [
                new(BundleAttributeId.CreatedAt, 1), new(BundleAttributeId.Purpose, 1), new(BundleAttributeId.PrimaryVersion, KeyTables.Signed(ids[0])),
                new(BundleAttributeId.RotationPeriodSeconds, 90 * 86400),
            ]);
            foreach (var id in ids)
            {
                var kek = await token.CreateKekAsync(id);
                var bulkKey = new byte[WrappedDataKey.Length];
                var aad = AssociatedData.ToArray(AadPurpose.BulkKey, WrappedDataKey.Format, id, default, EncryptionContext.Empty);
                await token.GenerateDataKeysAsync(id, 1, _ => aad, default, bulkKey);
                await token.UnloadAsync(id);
                await writer.WriteVersionAsync(
                    id,
                    (BundleAttribute[])
                    [
                        new(BundleAttributeId.CreatedAt, 1), new(BundleAttributeId.State, (long)(id == ids[0] ? KeyState.Active : KeyState.Deactivated)),
                        new(BundleAttributeId.WrapsReserved, 1024),
                    ],
                    new BundleMaterial(kek.CheckValue, kek.BackupBlob, bulkKey));
            }
        }

        var signed = await writer.SealAsync(0, signer.ExportSubjectPublicKeyInfo());
        await writer.CompleteAsync(signer.SignHash(signed, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
        await File.WriteAllTextAsync(signerPath, signer.ExportSubjectPublicKeyInfoPem());
        using var value = BackupKeyFile.Read(directory.BackupKeyFile);
        await File.WriteAllBytesAsync(keyPath, value.DangerousSpan.ToArray());
    }
}
