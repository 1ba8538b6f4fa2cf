using KeyService.Crypto.Backups;

namespace KeyService.Tests.Backups;

/// <summary>Writes what a bundle says anew, with the signature it had.</summary>
internal static class BundleCopy
{
    internal static async Task<byte[]> Of(byte[] encoded)
    {
        var copy = new MemoryStream();
        using BundleReader reader = await BundleReader.OpenAsync(new MemoryStream(encoded));
        BundleHeader from = reader.Header;
        BundleHeader header = BundleHeader.Create(
            from.InstallationId, from.BundleId, from.Sequence, from.Kind, from.MadeAtUnixNanoseconds, from.BackupKeyId, from.PreviousDigest);
        using var writer = new BundleWriter(copy, header);
        await writer.WriteIntegrityKeyAsync(reader.IntegrityKey.Blob.Span, reader.IntegrityKey.CheckValue.Span);
        while (await reader.ReadAsync() is var item && item != BundleItem.End)
        {
            if (item == BundleItem.Key)
            {
                await writer.WriteKeyAsync(reader.Key.Name, List(reader.Key.Attributes));
            }
            else
            {
                BundleVersion version = reader.Version;
                await writer.WriteVersionAsync(
                    version.Id, List(version.Attributes),
                    version.HasMaterial ? new BundleMaterial(version.CheckValue, version.KekBlob, version.BulkKey) : null);
            }
        }
        byte[] signed = await writer.SealAsync(reader.Verified!.OmittedCount, reader.Verified.SigningKey.ToArray());
        await writer.CompleteAsync(encoded.AsMemory(^BundleFormat.SignatureLength..));
        if (signed.Length != 32 || !writer.Digest.AsSpan().SequenceEqual(reader.Verified.Digest))
        {
            throw new InvalidOperationException("The copy has another digest.");
        }
        return copy.ToArray();
    }

    internal static BundleAttribute[] List(BundleAttributes attributes) => [.. Enumerable.Range(0, attributes.Count).Select(i => attributes[i])];
}
