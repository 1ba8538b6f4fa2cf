using FsCheck;
using FsCheck.Fluent;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;

namespace KeyService.Tests.Backups;

/// <summary>What holds for every bundle, tried on random ones; a failure names its seed.</summary>
public sealed class BundleProperties : IDisposable
{
    private static readonly Gen<(string Name, ulong[] Versions)[]> Contents =
        Gen.Zip(
            Gen.Choose('!', '~').Select(c => (char)c).NonEmptyListOf().Where(name => name.Count <= 128).Select(string.Concat),
            ArbMap.Default.GeneratorFor<ulong>().Where(id => id != 0).ListOf().Select(ids => ids.Distinct().Order().ToArray()))
        .ListOf().Select(keys => keys.DistinctBy(key => key.Item1).OrderBy(key => key.Item1, StringComparer.Ordinal)
            .Select(key => (key.Item1, key.Item2)).ToArray());

    private readonly ECDsa _signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose() => _signer.Dispose();

    [Fact]
    public void Whatever_is_written_reads_the_same_and_is_written_again_byte_for_byte() => Check(Gen.Zip(Contents, Gen.Choose(0, int.MaxValue)), input =>
    {
        byte[] encoded = Write(input.Item1, (ulong)input.Item2).GetAwaiter().GetResult();
        VerifiedBundle read = VerifiedBundle.ReadAsync(new MemoryStream(encoded)).GetAwaiter().GetResult();
        return read.KeyCount == (ulong)input.Item1.Length && read.VersionCount == (ulong)input.Item1.Sum(key => key.Versions.Length)
            && read.OmittedCount == (ulong)input.Item2 && BundleCopy.Of(encoded).GetAwaiter().GetResult().AsSpan().SequenceEqual(encoded);
    });

    [Fact]
    public void A_bundle_with_any_bit_flipped_is_refused() => Check(Gen.Zip(Contents, Gen.Choose(0, int.MaxValue)), input =>
    {
        byte[] encoded = Write(input.Item1, 0).GetAwaiter().GetResult();
        encoded[input.Item2 / 8 % encoded.Length] ^= (byte)(1 << (input.Item2 % 8));
        try
        {
            VerifiedBundle.ReadAsync(new MemoryStream(encoded)).GetAwaiter().GetResult();
            return false;
        }
        catch (BundleException)
        {
            return true;
        }
    });

    private async Task<byte[]> Write((string Name, ulong[] Versions)[] keys, ulong omitted)
    {
        var bundle = new MemoryStream();
        using var writer = new BundleWriter(bundle, BundleHeader.Create(new byte[16], new byte[16], 1, BundleKind.Full, 0, new byte[8], []));
        await writer.WriteIntegrityKeyAsync([1, .. new byte[40]], new byte[32]);
        foreach ((string name, ulong[] versions) in keys)
        {
            await writer.WriteKeyAsync(name, [new((BundleAttributeId)1, 1), new((BundleAttributeId)2, 1), new((BundleAttributeId)3, 1), new((BundleAttributeId)4, 1)]);
            foreach (ulong id in versions)
            {
                var wrapped = new byte[WrappedDataKey.Length];
                WrappedDataKey.Write(wrapped, new KeyVersionId(id), new byte[12], new byte[48]);
                await writer.WriteVersionAsync(
                    new KeyVersionId(id), [new((BundleAttributeId)1, (long)id), new((BundleAttributeId)16, 2), new((BundleAttributeId)23, 0)],
                    id % 3 == 0 ? null : new BundleMaterial(wrapped, (byte[])[1, .. new byte[40]], wrapped));
            }
        }
        await writer.CompleteAsync(_signer.SignHash(await writer.SealAsync(omitted, _signer.ExportSubjectPublicKeyInfo())));
        return bundle.ToArray();
    }

    private static void Check<T>(Gen<T> inputs, Func<T, bool> holds) => 
        Prop.ForAll(inputs.ToArbitrary(), holds).Check(Config.QuickThrowOnFailure);
}
