using System.Buffers.Binary;
using System.Security.Cryptography;
using KeyService.Crypto.Backups;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>Backup bundles: whatever is accepted is written again to the same bytes, with a signature that the mutant was given or brought along.</summary>
internal static class BundleTargets
{
    private static readonly ECDsa Signer = SignerOfVectors();

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("backup-bundle", [typeof(BundleHeader), typeof(BundleReader)], Read)
        {
            MaxLength = 8192, Weight = 0.2, Verdict = Verdict, Repair = SignAgain, AllocatedAtMost = 512 * 1024,
            Words = [[1, 0, 73], [2], [3], [0xFF, 0, 179], [4, 1], [1, 1], [0, 0], "KSBNDL01"u8.ToArray(), new byte[32]],
            Seeds = () => VectorSeeds.Hex("backup-bundle", "encoded", "positive", "negative"),
        },
    ];

    private static Outcome Read(byte[] input)
    {
        try
        {
            byte[] copy = CopyAsync(input).GetAwaiter().GetResult();
            UnlessSame(input, copy, "what parses is written again, byte for byte");
            return Outcome.Taken(Outcome.Step(input.Length));
        }
        catch (BundleException refused)
        {
            return Outcome.Refused(refused);
        }
    }

    private static string Verdict(byte[] input)
    {
        try
        {
            return $"ok {Convert.ToHexStringLower(SHA256.HashData(CopyAsync(input).GetAwaiter().GetResult()))}";
        }
        catch (BundleException refused)
        {
            return $"no {refused.Fault}";
        }
    }

    // Everything here completes at once: the streams are memory.
    private static async Task<byte[]> CopyAsync(byte[] input)
    {
        var copy = new MemoryStream(input.Length);
        using BundleReader reader = await BundleReader.OpenAsync(new MemoryStream(input));
        BundleHeader from = reader.Header;
        using var writer = new BundleWriter(copy, BundleHeader.Create(
            from.InstallationId, from.BundleId, from.Sequence, from.Kind, from.MadeAtUnixNanoseconds, from.BackupKeyId, from.PreviousDigest));
        await writer.WriteIntegrityKeyAsync(reader.IntegrityKey.Blob.Span, reader.IntegrityKey.CheckValue.Span);
        while (await reader.ReadAsync() is var item && item != BundleItem.End)
        {
            if (item == BundleItem.Key)
            {
                await writer.WriteKeyAsync(reader.Key.Name, List(reader.Key.Attributes));
                continue;
            }
            BundleVersion version = reader.Version;
            BundleMaterial? material = version.HasMaterial ? new BundleMaterial(version.CheckValue, version.KekBlob, version.BulkKey) : null;
            await writer.WriteVersionAsync(version.Id, List(version.Attributes), material);
        }
        await writer.SealAsync(reader.Verified!.OmittedCount, reader.Verified.SigningKey.ToArray());
        await writer.CompleteAsync(input.AsMemory(^BundleFormat.SignatureLength..));
        return copy.ToArray();
    }

    private static BundleAttribute[] List(BundleAttributes attributes)
    {
        var list = new BundleAttribute[attributes.Count];
        for (int i = 0; i < list.Length; i++)
        {
            list[i] = attributes[i];
        }
        return list;
    }

    // The counts that stand there are left: a wrong one is a case of its own.
    private static void SignAgain(byte[] input)
    {
        if (input.Length < BundleFormat.HeaderLength + BundleFormat.SignatureLength + BundleFormat.SigningKeyLength)
        {
            return;
        }
        Span<byte> signature = input.AsSpan(^BundleFormat.SignatureLength..);
        Signer.ExportSubjectPublicKeyInfo().CopyTo(input.AsSpan(input.Length - BundleFormat.SignatureLength - BundleFormat.SigningKeyLength));
        byte[] digest = SHA256.HashData(input.AsSpan(..^BundleFormat.SignatureLength));
        Signer.SignHash(SHA256.HashData([.. "keyservice/v1/backup-bundle\0"u8, .. digest])).CopyTo(signature);
        ReadOnlySpan<byte> half = [0x7F, 0xFF, 0xFF, 0xFF, 0x80];
        while (BinaryPrimitives.ReadUInt32BigEndian(signature[32..]) > BinaryPrimitives.ReadUInt32BigEndian(half))
        {
            Signer.SignHash(SHA256.HashData([.. "keyservice/v1/backup-bundle\0"u8, .. digest])).CopyTo(signature);
        }
    }

    private static ECDsa SignerOfVectors() => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        D = Convert.FromHexString(VectorSeeds.Load("backup-bundle")["signingSecret"]!.GetValue<string>()),
    });
}
