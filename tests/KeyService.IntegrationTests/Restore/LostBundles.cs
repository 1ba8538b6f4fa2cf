using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Backups;
using KeyService.IntegrationTests.Hsm;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.IntegrationTests.Restore;

/// <summary>A version as a bundle is to say it: one of the lost token's keys, in a state.</summary>
internal readonly record struct SaidVersion(int Kek, KeyState State, bool ProcessingStopped = false);

/// <summary>A key as a bundle is to say it.</summary>
/// <param name="Primary">Number of the lost token's key that protects.</param>
internal sealed record SaidKey(string Name, int Primary, params SaidVersion[] Versions);

/// <summary>Bundles of keys that a SoftHSM made which is gone, saying of them what a test wants said; signed by a key of this process.</summary>
internal sealed class LostBundles : IDisposable
{
    internal static readonly DateTimeOffset MadeTime = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-bundles-").FullName;
    private readonly ECDsa _signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] _installation = RandomNumberGenerator.GetBytes(BundleFormat.IdLength);

    private readonly Dictionary<int, int> _exchanged = [];

    private LostBundles(LostToken token) => Token = token;

    internal LostToken Token { get; }

    internal byte[] SigningKey => _signer.ExportSubjectPublicKeyInfo();

    internal byte[] Installation { get; private set; } = [];

    internal static async Task<LostBundles> MakeAsync(int keks)
    {
        var lost = new LostBundles(await LostToken.MakeAsync(keks));
        lost.Installation = lost._installation;
        return lost;
    }

    /// <summary>From now on a version has the blob of another.</summary>
    internal void Exchange(int kek, int with) => _exchanged[kek] = with;

    internal KeyVersionId IdOf(int kek) => Token.Keks[kek].Id;

    /// <summary>Writes a bundle into a file.</summary>
    /// <param name="previous">Digest of the one before; empty for a full one without.</param>
    internal async Task<(string Path, byte[] Digest)> WriteAsync(
        ulong sequence, BundleKind kind, byte[] previous, IEnumerable<SaidKey> keys, ulong leftOut = 0, byte[]? installation = null, string? backupKeyId = null)
    {
        var path = Path.Combine(_directory, $"{Guid.NewGuid():N}.ksb");
        await using var stream = new FileStream(path, FileMode.CreateNew);
        using var writer = new BundleWriter(stream, BundleHeader.Create(
            installation ?? _installation, RandomNumberGenerator.GetBytes(BundleFormat.IdLength), sequence, kind,
            UnixTime.Nanoseconds(MadeTime.AddHours(sequence)), Convert.FromHexString(backupKeyId ?? Token.BackupKeyId), previous));
        await writer.WriteIntegrityKeyAsync(Token.Integrity.BackupBlob, Token.Integrity.CheckValue);
        foreach (var key in keys.OrderBy(key => key.Name, StringComparer.Ordinal))
        {
            await writer.WriteKeyAsync(key.Name, (BundleAttribute[])
            [
                new(BundleAttributeId.CreatedAt, UnixTime.Nanoseconds(MadeTime.AddDays(-90))),
                new(BundleAttributeId.Purpose, (long)KeyPurpose.EncryptDecrypt),
                new(BundleAttributeId.PrimaryVersion, KeyTables.Signed(IdOf(key.Primary))),
                new(BundleAttributeId.RotationPeriodSeconds, (long)RotationPolicy.Default.Period.TotalSeconds),
            ]);
            foreach (var version in key.Versions.OrderBy(version => IdOf(version.Kek)))
            {
                var kek = Token.Keks[version.Kek];
                BundleAttribute[] attributes =
                [
                    new(BundleAttributeId.CreatedAt, UnixTime.Nanoseconds(MadeTime.AddDays(-80).AddMinutes(version.Kek))),
                    new(BundleAttributeId.State, (long)version.State),
                    new(BundleAttributeId.WrapsReserved, 1024),
                    .. version.ProcessingStopped ? [new BundleAttribute(BundleAttributeId.ProcessingStopped, 1)] : Array.Empty<BundleAttribute>(),
                ];
                await writer.WriteVersionAsync(
                    kek.Id, attributes, version.State == KeyState.Destroyed ? null : new BundleMaterial(kek.CheckValue, Token.Keks[_exchanged.GetValueOrDefault(version.Kek, version.Kek)].BackupBlob, kek.BulkKey));
            }
        }

        var signed = await writer.SealAsync(leftOut, SigningKey);
        await writer.CompleteAsync(_signer.SignHash(signed, DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
        return (path, writer.Digest);
    }

    internal Task<BundleChain> VerifyAsync(params string[] paths) => BundleChain.VerifyAsync([.. paths.Select(SourceOf)], SigningKey);

    internal static BundleSource SourceOf(string path) => new(Path.GetFileName(path), () => File.OpenRead(path));

    public void Dispose()
    {
        Token.Dispose();
        _signer.Dispose();
        Directory.Delete(_directory, recursive: true);
    }
}
