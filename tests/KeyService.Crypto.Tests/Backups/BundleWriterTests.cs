using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.Tests.Archives;

namespace KeyService.Tests.Backups;

/// <summary>What the writer refuses, and bundles larger than its memory.</summary>
public sealed class BundleWriterTests
{
    private static readonly BundleAttribute[] Policy =
        [new(BundleAttributeId.CreatedAt, 1), new(BundleAttributeId.Purpose, 1), new(BundleAttributeId.PrimaryVersion, 1), new(BundleAttributeId.RotationPeriodSeconds, 7776000)];

    private static readonly BundleAttribute[] State =
        [new(BundleAttributeId.CreatedAt, 1), new(BundleAttributeId.State, 2), new(BundleAttributeId.WrapsReserved, 65536)];

    [Fact]
    public async Task Ten_thousand_versions_pass_through_64_kib_in_pieces_of_any_size()
    {
        using var signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var bundle = new MemoryStream();
        using (var writer = new BundleWriter(bundle, Header()))
        {
            await writer.WriteIntegrityKeyAsync(Blob(), new byte[32]);
            for (int key = 0; key < 100; key++)
            {
                await writer.WriteKeyAsync($"key/{key:000}", Policy);
                for (ulong version = 1; version <= 100; version++)
                {
                    await writer.WriteVersionAsync(new KeyVersionId(version), State, Material(version));
                }
            }
            await SignAsync(writer, signer, omitted: 3);
        }
        VerifiedBundle verified = await VerifiedBundle.ReadAsync(
            new TricklingStream(bundle.ToArray()), signer.ExportSubjectPublicKeyInfo(), TestContext.Current.CancellationToken);
        Assert.Equal((100UL, 10_000UL, 3UL), (verified.KeyCount, verified.VersionCount, verified.OmittedCount));
        Assert.Equal(1, verified.NewestVersionUnixNanoseconds);
        Assert.Equal(bundle.Length, verified.Length);
    }

    [Fact]
    public async Task An_entry_with_every_attribute_is_as_long_as_one_may_be()
    {
        using var signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        BundleAttribute[] most = [.. Enumerable.Range(1, 32).Select(id => new BundleAttribute((BundleAttributeId)id, id))];
        var bundle = new MemoryStream();
        using var writer = await Started(bundle);
        await writer.WriteKeyAsync(new string('k', 128), most);
        await writer.WriteVersionAsync(new KeyVersionId(ulong.MaxValue), most, Material(ulong.MaxValue));
        await Assert.ThrowsAsync<ArgumentException>(async () => await writer.WriteKeyAsync("z", [.. most, new((BundleAttributeId)33, 0)]));
        await SignAsync(writer, signer);
        byte[] encoded = bundle.ToArray();
        Assert.Equal(encoded, await BundleCopy.Of(encoded));
    }

    [Fact]
    public async Task What_breaks_a_rule_of_the_format_is_not_written()
    {
        using var writer = await Started(new MemoryStream());
        await Refused(async () => await writer.WriteVersionAsync(new KeyVersionId(1), State, null));
        await Refused(async () => await writer.WriteKeyAsync("", Policy));
        await Refused(async () => await writer.WriteKeyAsync(new string('k', 129), Policy));
        await Refused(async () => await writer.WriteKeyAsync("a b", Policy));
        await Refused(async () => await writer.WriteKeyAsync("é", Policy));
        await Refused(async () => await writer.WriteKeyAsync("k", Policy.AsSpan(..3)));
        await Refused(async () => await writer.WriteKeyAsync("k", [.. Policy.Reverse()]));
        await Refused(async () => await writer.WriteKeyAsync("k", [.. Policy, Policy[3]]));
        await writer.WriteKeyAsync("k", Policy);
        await Refused(async () => await writer.WriteKeyAsync("k", Policy));
        await Refused(async () => await writer.WriteKeyAsync("a", Policy));
        await Refused(async () => await writer.WriteVersionAsync(KeyVersionId.None, State, null));
        await Refused(async () => await writer.WriteVersionAsync(new KeyVersionId(2), State.AsSpan(..2), null));
        await Refused(async () => await writer.WriteVersionAsync(new KeyVersionId(2), State, Material(3)));
        await Refused(async () => await writer.WriteVersionAsync(new KeyVersionId(2), State, Material(2) with { KekBlob = new byte[41] }));
        await Refused(async () => await writer.WriteVersionAsync(new KeyVersionId(2), State, Material(2) with { KekBlob = Blob().AsMemory(..40) }));
        await writer.WriteVersionAsync(new KeyVersionId(2), State, Material(2));
        await Refused(async () => await writer.WriteVersionAsync(new KeyVersionId(2), State, null));
        Assert.Equal((1UL, 1UL), (writer.KeyCount, writer.VersionCount));

        static Task Refused(Func<Task> write) => Assert.ThrowsAnyAsync<ArgumentException>(write);
    }

    [Fact]
    public async Task Calls_in_another_order_than_the_formats_are_refused()
    {
        using var signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var writer = new BundleWriter(new MemoryStream(), Header());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.WriteKeyAsync("k", Policy));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.SealAsync(0, signer.ExportSubjectPublicKeyInfo()));
        Assert.Throws<InvalidOperationException>(() => writer.Digest);
        await Assert.ThrowsAsync<ArgumentException>(async () => await writer.WriteIntegrityKeyAsync(new byte[41], new byte[32]));
        await writer.WriteIntegrityKeyAsync(Blob(), new byte[32]);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.WriteIntegrityKeyAsync(Blob(), new byte[32]));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync(new byte[64]));
        await Assert.ThrowsAsync<ArgumentException>(async () => await writer.SealAsync(0, new byte[91]));
        byte[] signed = await writer.SealAsync(0, signer.ExportSubjectPublicKeyInfo());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.WriteKeyAsync("k", Policy));
        await Assert.ThrowsAsync<ArgumentException>(async () => await writer.CompleteAsync(new byte[63]));
        await Assert.ThrowsAsync<ArgumentException>(async () => await writer.CompleteAsync(Enumerable.Repeat((byte)0xFF, 64).ToArray()));
        await writer.CompleteAsync(signer.SignHash(signed));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync(signer.SignHash(signed)));
        writer.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await writer.WriteKeyAsync("k", Policy));
    }

    // Every other signature has the greater s; sixteen bundles meet both but for one time in 32,768.
    [Fact]
    public async Task Whichever_s_the_signer_gives_the_bundle_has_the_smaller()
    {
        using var signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        for (int round = 0; round < 16; round++)
        {
            var bundle = new MemoryStream();
            using var writer = await Started(bundle);
            await SignAsync(writer, signer);
            Assert.True(BundleSignature.HasSmallS(bundle.ToArray().AsSpan(^64..)));
            await VerifiedBundle.ReadAsync(new MemoryStream(bundle.ToArray()), cancellationToken: TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void A_header_that_breaks_a_rule_is_not_made()
    {
        byte[] id = new byte[16];
        Assert.Throws<ArgumentException>(() => BundleHeader.Create(id, id, 0, BundleKind.Full, 0, new byte[8], []));
        Assert.Throws<ArgumentException>(() => BundleHeader.Create(id, id, 2, BundleKind.Incremental, 0, new byte[8], []));
        Assert.Throws<ArgumentException>(() => BundleHeader.Create(id, id, 1, (BundleKind)4, 0, new byte[8], []));
        Assert.Throws<ArgumentException>(() => BundleHeader.Create(id, id, 1, BundleKind.Full, 0, new byte[7], []));
        Assert.Throws<ArgumentException>(() => BundleHeader.Create(id.AsSpan(..15), id, 1, BundleKind.Full, 0, new byte[8], []));
        Assert.Throws<ArgumentException>(() => BundleHeader.Create(id, id, 1, BundleKind.Full, 0, new byte[8], new byte[31]));
    }

    private static BundleHeader Header() => BundleHeader.Create(new byte[16], new byte[16], 1, BundleKind.Full, 0, new byte[8], []);

    private static async Task<BundleWriter> Started(Stream destination)
    {
        var writer = new BundleWriter(destination, Header());
        await writer.WriteIntegrityKeyAsync(Blob(), new byte[32]);
        return writer;
    }

    private static async Task SignAsync(BundleWriter writer, ECDsa signer, ulong omitted = 0) =>
        await writer.CompleteAsync(signer.SignHash(await writer.SealAsync(omitted, signer.ExportSubjectPublicKeyInfo())));

    private static byte[] Blob() => [1, .. new byte[40]];

    private static BundleMaterial Material(ulong version)
    {
        var wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, new KeyVersionId(version), new byte[12], new byte[48]);
        return new BundleMaterial(wrapped, Blob(), wrapped);
    }
}
