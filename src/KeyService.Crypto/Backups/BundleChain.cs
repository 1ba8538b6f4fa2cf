using System.Globalization;

namespace KeyService.Crypto.Backups;

/// <summary>A bundle that can be read more than once.</summary>
/// <param name="Name">What messages call it: the file.</param>
/// <param name="Open">Gives the bundle from its beginning; whoever calls it closes the stream.</param>
public sealed record BundleSource(string Name, Func<Stream> Open);

/// <summary>
/// What an installation is restored from: a full bundle and the incremental ones after it, in order (or a selection alone, of which nothing is restored), each whole, each signed by the same key, each naming
/// the one before it by its digest. Only <see cref="VerifyAsync"/> makes one.
/// </summary>
public sealed class BundleChain
{
    private readonly IReadOnlyList<BundleSource> _sources;
    private readonly byte[] _integrityBlob;
    private readonly byte[] _integrityCheck;

    private BundleChain(IReadOnlyList<BundleSource> sources, IReadOnlyList<VerifiedBundle> bundles, BundleIntegrityKey integrityKey)
    {
        _sources = sources;
        Bundles = bundles;
        _integrityBlob = integrityKey.Blob.ToArray();
        _integrityCheck = integrityKey.CheckValue.ToArray();
    }

    /// <summary>Oldest first: the full one, then the incremental ones.</summary>
    public IReadOnlyList<VerifiedBundle> Bundles { get; }

    /// <summary>The one that says last what was so.</summary>
    public VerifiedBundle Newest => Bundles[^1];

    /// <summary>16 bytes.</summary>
    public ReadOnlySpan<byte> InstallationId => Newest.Header.InstallationId;

    /// <summary>16 hexadecimal digits: which backup key opens everything in it.</summary>
    public string BackupKeyId => Convert.ToHexStringLower(Newest.Header.BackupKeyId);

    /// <summary>The integrity key, the same in all of them.</summary>
    public BundleIntegrityKey IntegrityKey => new(_integrityBlob, _integrityCheck);

    /// <summary>Whether it holds only keys that somebody named: such a one is read and proven, and makes no installation.</summary>
    public bool IsSelection => Newest.Header.Kind == BundleKind.Selection;

    /// <summary>Versions in all of them together.</summary>
    public ulong VersionCount => Bundles.Aggregate(0UL, (sum, bundle) => sum + bundle.VersionCount);

    /// <summary>Versions that their writer left out.</summary>
    public ulong OmittedCount => Bundles.Aggregate(0UL, (sum, bundle) => sum + bundle.OmittedCount);

    /// <summary>What a message calls a bundle.</summary>
    public string NameOf(int bundle) => _sources[bundle].Name;

    /// <summary>Reads every bundle to its end and holds one to the other.</summary>
    /// <param name="sources">In order: the newest full one first.</param>
    /// <param name="signingKey">Who must have signed them (SubjectPublicKeyInfo); empty: one key, whoever's.</param>
    /// <param name="cancellationToken">Cancels reading.</param>
    /// <exception cref="BundleException">Names the bundle that is bad or out of place.</exception>
    public static async Task<BundleChain> VerifyAsync(
        IReadOnlyList<BundleSource> sources, ReadOnlyMemory<byte> signingKey = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentOutOfRangeException.ThrowIfZero(sources.Count);
        var bundles = new List<VerifiedBundle>();
        BundleIntegrityKey first = default;
        foreach (BundleSource source in sources)
        {
            (VerifiedBundle bundle, BundleIntegrityKey integrityKey) = await ReadAsync(source, signingKey, cancellationToken).ConfigureAwait(false);
            if (bundles.Count == 0)
            {
                first = integrityKey;
                signingKey = bundle.SigningKey.ToArray();
            }
            if (BrokenRule(bundles, bundle, first, integrityKey) is { } rule)
            {
                throw new BundleException(BundleFault.NotOfTheChain, $"{source.Name}: {rule}");
            }
            bundles.Add(bundle);
        }
        return new BundleChain(sources, bundles, first);
    }

    /// <summary>Reads a bundle of the chain anew. What it gives may be used: <see cref="DemandSame"/> is asked at its end, and what was made of it undone.</summary>
    public async Task<(Stream Stream, BundleReader Reader)> OpenAsync(int bundle, CancellationToken cancellationToken = default)
    {
        Stream stream = _sources[bundle].Open();
        try
        {
            return (stream, await BundleReader.OpenAsync(stream, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What was read to its end now must be what was verified.</summary>
    /// <exception cref="BundleException">The file changed in between.</exception>
    public void DemandSame(int bundle, BundleReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (reader.Verified is not { } now || !now.Digest.SequenceEqual(Bundles[bundle].Digest))
        {
            throw new BundleException(BundleFault.Damaged, $"{NameOf(bundle)}: the file changed while it was read.");
        }
    }

    private static async Task<(VerifiedBundle Bundle, BundleIntegrityKey IntegrityKey)> ReadAsync(
        BundleSource source, ReadOnlyMemory<byte> signingKey, CancellationToken cancellationToken)
    {
        try
        {
            await using Stream stream = source.Open();
            using BundleReader reader = await BundleReader.OpenAsync(stream, cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false) != BundleItem.End)
            {
            }
            reader.Verified!.DemandSigner(signingKey.Span);
            return (reader.Verified, reader.IntegrityKey);
        }
        catch (BundleException e)
        {
            throw new BundleException(e.Fault, $"{source.Name}: {e.Message}");
        }
    }

    private static string? BrokenRule(List<VerifiedBundle> before, VerifiedBundle bundle, BundleIntegrityKey first, BundleIntegrityKey integrityKey)
    {
        if (before.Count == 0)
        {
            return bundle.Header.Kind is BundleKind.Full or BundleKind.Selection
                ? null
                : $"it is incremental, bundle {Number(bundle)}. Begin with the newest full bundle and name the incremental ones after it in order.";
        }
        VerifiedBundle last = before[^1];
        if (!bundle.Header.InstallationId.SequenceEqual(last.Header.InstallationId))
        {
            return "it is of another installation than the bundle before it.";
        }
        if (bundle.Header.Kind == BundleKind.Selection || last.Header.Kind == BundleKind.Selection)
        {
            return "a selection of keys stands alone: name it without other bundles.";
        }
        if (bundle.Header.Kind == BundleKind.Full)
        {
            return $"it is a full bundle (number {Number(bundle)}) behind another one: begin with the newest full bundle alone, it holds everything of its time.";
        }
        if (!bundle.Header.BackupKeyId.SequenceEqual(last.Header.BackupKeyId))
        {
            return "it is wrapped under another backup key than the bundle before it.";
        }
        if (!integrityKey.CheckValue.Span.SequenceEqual(first.CheckValue.Span))
        {
            return "it holds another integrity key than the bundle before it.";
        }
        if (bundle.Header.PreviousDigest.SequenceEqual(last.Digest))
        {
            return null;
        }
        return bundle.Header.Sequence <= last.Header.Sequence
            ? $"bundle {Number(bundle)} stands behind bundle {Number(last)}: name them in the order in which they were made."
            : $"bundle {Number(bundle)} does not follow bundle {Number(last)}: one between them is missing.";
    }

    private static string Number(VerifiedBundle bundle) => bundle.Header.Sequence.ToString(CultureInfo.InvariantCulture);
}
