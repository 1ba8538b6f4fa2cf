using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;

namespace KeyService.Tests.Backups;

/// <summary>A full bundle and what follows it, held to one another.</summary>
public sealed class BundleChainTests : IDisposable
{
    private readonly ECDsa _signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] _installation = RandomNumberGenerator.GetBytes(16);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _signer.Dispose();

    [Fact]
    public async Task A_full_bundle_and_the_incremental_ones_after_it_are_a_chain()
    {
        (byte[] full, byte[] digest) = await WriteAsync(5, BundleKind.Full, RandomNumberGenerator.GetBytes(32), leftOut: 1);
        (byte[] second, byte[] next) = await WriteAsync(6, BundleKind.Incremental, digest);
        (byte[] third, _) = await WriteAsync(9, BundleKind.Incremental, next, leftOut: 2);
        BundleChain chain = await VerifyAsync(full, second, third);
        Assert.Equal((3UL, 3UL, 9UL), (chain.VersionCount, chain.OmittedCount, chain.Newest.Header.Sequence));
        Assert.Equal(_installation, chain.InstallationId.ToArray());
        Assert.Equal("0102030405060708", chain.BackupKeyId);
        Assert.Equal("bundle 1", chain.NameOf(1));

        (Stream stream, BundleReader reader) = await chain.OpenAsync(2, Cancellation);
        await using (stream)
        using (reader)
        {
            Assert.Throws<BundleException>(() => chain.DemandSame(2, reader));
            while (await reader.ReadAsync(Cancellation) != BundleItem.End)
            {
            }
            chain.DemandSame(2, reader);
            Assert.Throws<BundleException>(() => chain.DemandSame(1, reader));
        }
    }

    [Fact]
    public async Task What_does_not_follow_is_named_with_what_is_wrong()
    {
        (byte[] full, byte[] digest) = await WriteAsync(5, BundleKind.Full, []);
        (byte[] second, byte[] next) = await WriteAsync(6, BundleKind.Incremental, digest);
        (byte[] third, _) = await WriteAsync(7, BundleKind.Incremental, next);
        (byte[] fullAgain, _) = await WriteAsync(8, BundleKind.Full, next);
        await RefusedAsync("bundle 0: it is incremental, bundle 6", second);
        await RefusedAsync("bundle 1: bundle 7 does not follow bundle 5: one between them is missing", full, third);
        await RefusedAsync("bundle 2: bundle 6 stands behind bundle 7", full, await FollowingAsync(7, digest), second);
        await RefusedAsync("bundle 1: it is a full bundle (number 8) behind another one", full, fullAgain);
        await RefusedAsync("another installation", full, (await WriteAsync(6, BundleKind.Incremental, digest, installation: new byte[16])).Bundle);
        await RefusedAsync("another backup key", full, (await WriteAsync(6, BundleKind.Incremental, digest, backupKeyId: new byte[8])).Bundle);
        await RefusedAsync("another integrity key", full, (await WriteAsync(6, BundleKind.Incremental, digest, check: new byte[32])).Bundle);
    }

    [Fact]
    public async Task A_selection_stands_alone()
    {
        (byte[] full, byte[] digest) = await WriteAsync(5, BundleKind.Full, []);
        (byte[] selection, byte[] next) = await WriteAsync(5, BundleKind.Selection, digest);
        Assert.True((await VerifyAsync(selection)).IsSelection);
        Assert.False((await VerifyAsync(full)).IsSelection);
        await RefusedAsync("bundle 1: a selection of keys stands alone", full, selection);
        await RefusedAsync("bundle 1: a selection of keys stands alone", selection, selection);
        await RefusedAsync("bundle 1: a selection of keys stands alone", selection, (await WriteAsync(6, BundleKind.Incremental, next)).Bundle);
    }

    [Fact]
    public async Task Another_signer_is_refused_whether_one_is_demanded_or_not()
    {
        (byte[] full, byte[] digest) = await WriteAsync(1, BundleKind.Full, []);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        (byte[] foreign, _) = await WriteAsync(2, BundleKind.Incremental, digest, signer: other);
        var refused = await Assert.ThrowsAsync<BundleException>(() => VerifyAsync(full, foreign));
        Assert.Equal(BundleFault.OtherSigningKey, refused.Fault);
        Assert.StartsWith("bundle 1: ", refused.Message, StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<BundleException>(
            () => BundleChain.VerifyAsync([Source(full, 0)], other.ExportSubjectPublicKeyInfo(), Cancellation));
        Assert.Equal(BundleFault.OtherSigningKey, refused.Fault);
    }

    [Fact]
    public async Task Any_byte_changed_or_missing_in_any_of_them_is_refused_by_the_name_of_the_file()
    {
        (byte[] full, byte[] digest) = await WriteAsync(1, BundleKind.Full, []);
        (byte[] second, _) = await WriteAsync(2, BundleKind.Incremental, digest);
        for (int at = 0; at < second.Length; at++)
        {
            var changed = (byte[])second.Clone();
            changed[at] ^= 0x10;
            var refused = await Assert.ThrowsAsync<BundleException>(() => VerifyAsync(full, changed));
            Assert.StartsWith("bundle 1: ", refused.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<BundleException>(() => VerifyAsync(full, second[..at]));
        }
        await Assert.ThrowsAsync<BundleException>(() => VerifyAsync(full, [.. second, 0]));
    }

    private async Task<byte[]> FollowingAsync(ulong sequence, byte[] previous) => (await WriteAsync(sequence, BundleKind.Incremental, previous)).Bundle;

    private async Task RefusedAsync(string says, params byte[][] bundles)
    {
        var refused = await Assert.ThrowsAsync<BundleException>(() => VerifyAsync(bundles));
        Assert.Equal(BundleFault.NotOfTheChain, refused.Fault);
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
    }

    private static Task<BundleChain> VerifyAsync(params byte[][] bundles) => BundleChain.VerifyAsync([.. bundles.Select(Source)], default, Cancellation);

    private static BundleSource Source(byte[] bundle, int number) => new($"bundle {number}", () => new MemoryStream(bundle));

    private async Task<(byte[] Bundle, byte[] Digest)> WriteAsync(
        ulong sequence, BundleKind kind, byte[] previous, ulong leftOut = 0, byte[]? installation = null, byte[]? backupKeyId = null, byte[]? check = null,
        ECDsa? signer = null)
    {
        var bundle = new MemoryStream();
        using var writer = new BundleWriter(bundle, BundleHeader.Create(
            installation ?? _installation, RandomNumberGenerator.GetBytes(16), sequence, kind, 1, backupKeyId ?? [1, 2, 3, 4, 5, 6, 7, 8], previous));
        byte[] blob = [1, .. new byte[40]];
        await writer.WriteIntegrityKeyAsync(blob, check ?? Enumerable.Repeat((byte)7, 32).ToArray(), Cancellation);
        var id = new KeyVersionId(sequence);
        await writer.WriteKeyAsync(
            "key",
            (BundleAttribute[])
            [
                new(BundleAttributeId.CreatedAt, 1), new(BundleAttributeId.Purpose, 1), new(BundleAttributeId.PrimaryVersion, 1),
                new(BundleAttributeId.RotationPeriodSeconds, 7776000),
            ],
            Cancellation);
        await writer.WriteVersionAsync(
            id,
            (BundleAttribute[])[new(BundleAttributeId.CreatedAt, 1), new(BundleAttributeId.State, 2), new(BundleAttributeId.WrapsReserved, 1)],
            new BundleMaterial(Wrapped(id), blob, Wrapped(id)), Cancellation);
        signer ??= _signer;
        byte[] signed = await writer.SealAsync(leftOut, signer.ExportSubjectPublicKeyInfo(), Cancellation);
        await writer.CompleteAsync(signer.SignHash(signed, DSASignatureFormat.IeeeP1363FixedFieldConcatenation), Cancellation);
        return (bundle.ToArray(), writer.Digest);
    }

    private static byte[] Wrapped(KeyVersionId id)
    {
        var wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, id, new byte[12], new byte[48]);
        return wrapped;
    }
}
