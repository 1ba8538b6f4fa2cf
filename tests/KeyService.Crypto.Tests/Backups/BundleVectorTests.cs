using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Backups;

/// <summary>docs/spec/backup-bundle.md.</summary>
public sealed class BundleVectorTests
{
    private const string File = "backup-bundle.json";

    [Fact]
    public async Task Every_positive_vector_reads_as_what_it_is()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            byte[] encoded = vector.Bytes("encoded");
            using BundleReader reader = await BundleReader.OpenAsync(new MemoryStream(encoded), TestContext.Current.CancellationToken);
            Assert.Equal(vector.Bytes("installationId"), reader.Header.InstallationId);
            Assert.Equal(vector.Bytes("bundleId"), reader.Header.BundleId);
            Assert.Equal((ulong)vector.Number("sequence"), reader.Header.Sequence);
            Assert.Equal((BundleKind)vector.Number("kind"), reader.Header.Kind);
            Assert.Equal(vector.Text("madeAt"), reader.Header.MadeAtUnixNanoseconds.ToString(CultureInfo.InvariantCulture));
            Assert.Equal(vector.Bytes("backupKeyId"), reader.Header.BackupKeyId);
            Assert.Equal(vector.Bytes("previous"), reader.Header.PreviousDigest);
            var read = new JsonArray();
            while (await reader.ReadAsync(TestContext.Current.CancellationToken) is var item && item != BundleItem.End)
            {
                if (item == BundleItem.Key)
                {
                    read.Add((JsonNode)new JsonObject { ["name"] = reader.Key.Name, ["attributes"] = Attributes(reader.Key.Attributes), ["versions"] = new JsonArray() });
                }
                else
                {
                    read[^1]!["versions"]!.AsArray().Add((JsonNode)new JsonObject
                    {
                        ["id"] = reader.Version.Id.ToString(),
                        ["attributes"] = Attributes(reader.Version.Attributes),
                        ["material"] = reader.Version.HasMaterial,
                    });
                }
            }
            JsonArray expected = vector["keys"]!.DeepClone().AsArray();
            foreach (JsonObject version in expected.SelectMany(key => key!["versions"]!.AsArray()).Select(version => version!.AsObject()))
            {
                version["material"] = version["kek"] is not null;
                version.Remove("kek");
                version.Remove("bulkKey");
            }
            Assert.Equal(expected.ToJsonString(), read.ToJsonString());
            VerifiedBundle verified = reader.Verified!;
            Assert.Equal(vector.Bytes("digest"), verified.Digest);
            Assert.Equal(vector.Text("fingerprint"), verified.SigningKeyFingerprint);
            Assert.Equal((ulong)vector.Number("omitted"), verified.OmittedCount);
            Assert.Equal((ulong)expected.Count, verified.KeyCount);
            Assert.Equal(encoded.Length, verified.Length);
        }
    }

    [Fact]
    public async Task Every_positive_vector_is_written_again_byte_for_byte()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            byte[] encoded = vector.Bytes("encoded");
            Assert.Equal(encoded, await BundleCopy.Of(encoded));
        }
    }

    [Fact]
    public async Task Every_negative_vector_is_refused_with_its_fault()
    {
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            BundleException refused = await Assert.ThrowsAsync<BundleException>(
                () => VerifiedBundle.ReadAsync(new MemoryStream(vector.Bytes("encoded")), cancellationToken: TestContext.Current.CancellationToken));
            Assert.True(vector.Text("fault") == refused.Fault.ToString(), $"{vector.Text("name")}: {refused.Fault}");
        }
    }

    [Fact]
    public async Task A_bundle_of_another_signer_is_refused_when_a_signer_is_demanded()
    {
        JsonObject vectors = Vectors.Load(File);
        byte[] encoded = Vectors.List(File, "positive")[0].Bytes("encoded");
        byte[] signer = vectors.Bytes("signingKey");
        await VerifiedBundle.ReadAsync(new MemoryStream(encoded), signer, TestContext.Current.CancellationToken);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        BundleException refused = await Assert.ThrowsAsync<BundleException>(
            () => VerifiedBundle.ReadAsync(new MemoryStream(encoded), other.ExportSubjectPublicKeyInfo(), TestContext.Current.CancellationToken));
        Assert.Equal(BundleFault.OtherSigningKey, refused.Fault);
        Assert.Contains(VerifiedBundle.FingerprintOf(signer), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Any_bit_changed_anywhere_is_refused()
    {
        byte[] encoded = Vectors.List(File, "positive")[0].Bytes("encoded");
        for (int at = 0; at < encoded.Length; at++)
        {
            byte[] changed = [.. encoded];
            changed[at] ^= (byte)(1 << (at % 8));
            await Assert.ThrowsAsync<BundleException>(
                () => VerifiedBundle.ReadAsync(new MemoryStream(changed), cancellationToken: TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Any_cut_is_refused_as_truncated_or_empty()
    {
        byte[] encoded = Vectors.List(File, "positive")[0].Bytes("encoded");
        for (int length = 0; length < encoded.Length; length++)
        {
            BundleException refused = await Assert.ThrowsAsync<BundleException>(
                () => VerifiedBundle.ReadAsync(new MemoryStream(encoded, 0, length), cancellationToken: TestContext.Current.CancellationToken));
            Assert.Equal(length == 0 ? BundleFault.Empty : BundleFault.Truncated, refused.Fault);
        }
    }

    [Fact]
    public void Numbers_that_stand_in_bundles_are_frozen()
    {
        Assert.Equal("Full=1 Incremental=2 Selection=3", Numbers<BundleKind>());
        Assert.Equal(
            "CreatedAt=1 Purpose=2 PrimaryVersion=3 RotationPeriodSeconds=4 RotationLimitSeconds=5 WarnBeforeSeconds=6 RotateAt=7 State=16 ActivatedAt=17 "
            + "DeactivatedAt=18 StateChangedAt=19 SuspectedSince=20 ProcessedAt=21 DestroyAt=22 WrapsReserved=23 ProcessingStopped=24", Numbers<BundleAttributeId>());
        Assert.Equal("IntegrityKey=1 Key=2 Version=3 Trailer=255", Numbers<BundleEntryType>());
        Assert.Equal("Empty=1 NotABundle=2 UnsupportedVersion=3 Truncated=4 Damaged=5 SignatureInvalid=6 OtherSigningKey=7 NotOfTheChain=8", Numbers<BundleFault>());

        static string Numbers<T>()
            where T : struct, Enum => string.Join(' ', Enum.GetValues<T>().Select(value => $"{value}={Convert.ToInt32(value, CultureInfo.InvariantCulture)}"));
    }

    private static JsonArray Attributes(BundleAttributes attributes)
    {
        var list = new JsonArray();
        for (int i = 0; i < attributes.Count; i++)
        {
            Assert.Equal(attributes[i].Value, attributes[attributes[i].Id]);
            list.Add((JsonNode)new JsonArray((int)attributes[i].Id, attributes[i].Value.ToString(CultureInfo.InvariantCulture)));
        }
        Assert.Null(attributes[(BundleAttributeId)255]);
        return list;
    }
}
