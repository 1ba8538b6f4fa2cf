using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary>
/// A directory of archives, with all below it. Re-wrapping writes 4 KiB of a header; re-encryption makes a new file beside the old one, reads
/// it back whole, and lets it take the old one's name.
/// </summary>
internal sealed class ArchiveWork : IHoldingWork
{
    private static readonly EnumerationOptions Everything = new()
    {
        RecurseSubdirectories = true,
        IgnoreInaccessible = false,
        // A link leads to what is counted where it is, or out of the holding.
        AttributesToSkip = FileAttributes.ReparsePoint,
    };

    private readonly KeyServiceClient client;
    private readonly string directory;
    private readonly string key;
    private readonly HashSet<KeyVersionId> versions;
    private readonly CampaignKind kind;

    private ArchiveWork(KeyServiceClient client, string directory, string key, IEnumerable<KeyVersionId> versions, CampaignKind kind, string? idle)
    {
        this.client = client;
        this.directory = directory;
        this.key = key;
        this.versions = [.. versions];
        this.kind = kind;
        Idle = idle;
    }

    public string? Idle { get; }

    public static ArchiveWork Open(
        KeyServiceClient client, string place, string key, IEnumerable<KeyVersionId> versions, CampaignKind kind, DateTimeOffset? writeOnceUntil)
    {
        if (!Directory.Exists(place))
        {
            throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"There is no directory {place}.", "Check the place of the holding; mount it first, if it is mounted.");
        }
        return new ArchiveWork(client, place, key, versions, kind, writeOnceUntil is { } end && end > TimeProvider.System.GetUtcNow()
            ? $"write-once until {end:yyyy-MM-dd}: its versions stay needed until then"
            : null);
    }

    public async Task<VersionCounts> ScanAsync(CancellationToken cancellation)
    {
        var counts = new VersionCounts();
        foreach (var path in Archives())
        {
            if (await TryReadAsync(path, cancellation).ConfigureAwait(false) is not { } header)
            {
                counts.AddUnknown(1);
                continue;
            }
            foreach (var version in VersionsOf(header))
            {
                counts.Add(version, 1);
            }
        }
        return counts;
    }

    public async Task WorkAsync(WorkProgress progress, CancellationToken cancellation)
    {
        foreach (var path in Archives())
        {
            cancellation.ThrowIfCancellationRequested();
            if (await TryReadAsync(path, cancellation).ConfigureAwait(false) is { } header && VersionsOf(header).Any(versions.Contains))
            {
                var changed = await TryAsync(path, header, progress, cancellation).ConfigureAwait(false);
                await progress.AdvanceAsync(changed ? 1 : 0, cancellation).ConfigureAwait(false);
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    // One archive that cannot be worked on keeps no other from it; a service that is gone ends the work.
    private async Task<bool> TryAsync(string path, ArchiveHeader header, WorkProgress progress, CancellationToken cancellation)
    {
        try
        {
            if (kind == CampaignKind.Rewrap)
            {
                return (await client.Archives.RewrapAsync(path, cancellation).ConfigureAwait(false)).Changed;
            }
            if (header.WrappedDataKeys.Count > 1)
            {
                progress.Fail(path, "wrapped for several readers: encrypt it anew by hand for each");
                return false;
            }
            await ReencryptAsync(path, header, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is ArchiveException or IOException or UnauthorizedAccessException
            || e is KeyServiceException { Reason: "DECRYPTION_FAILED" or "ACCESS_DENIED" or "KEY_STATE" })
        {
            progress.Fail(path, e is KeyServiceException refused ? refused.Reason : e.Message);
            return false;
        }
    }

    private async Task ReencryptAsync(string path, ArchiveHeader before, CancellationToken cancellation)
    {
        using var output = OutputFile.Create(path, force: true);
        var file = (FileStream)output.Stream;
        File.SetUnixFileMode(file.SafeFileHandle, File.GetUnixFileMode(path));
        var copied = await CopyAsync(path, before, file, cancellation).ConfigureAwait(false);
        var readBack = await DigestAsync(file.Name, cancellation).ConfigureAwait(false);
        if (!copied.AsSpan().SequenceEqual(readBack))
        {
            throw new IOException("The new archive does not hold what the old one does; the old one is as it was.");
        }
        if (await TryReadAsync(path, cancellation).ConfigureAwait(false) is not { } now
            || !now.ArchiveId.Span.SequenceEqual(before.ArchiveId.Span) || now.Sequence != before.Sequence)
        {
            throw new IOException("Somebody else changed the archive meanwhile; it is as they left it.");
        }
        output.Commit();
    }

    private async Task<byte[]> CopyAsync(string path, ArchiveHeader before, Stream file, CancellationToken cancellation)
    {
        await using var plaintext = await client.Archives.OpenAsync(Open(path), before.Context, cancellation: cancellation).ConfigureAwait(false);
        await using var archive = await client.Archives.CreateAsync(
            key, before.Context, file, before.ContentName, leaveOpen: true, cancellation: cancellation).ConfigureAwait(false);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        int count;
        while ((count = await plaintext.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0)
        {
            digest.AppendData(buffer, 0, count);
            await archive.WriteAsync(buffer.AsMemory(0, count), cancellation).ConfigureAwait(false);
        }
        CryptographicOperations.ZeroMemory(buffer);
        await archive.CompleteAsync(cancellation).ConfigureAwait(false);
        return digest.GetHashAndReset();
    }

    private async Task<byte[]> DigestAsync(string path, CancellationToken cancellation)
    {
        await using var plaintext = await client.Archives.OpenAsync(Open(path), cancellation: cancellation).ConfigureAwait(false);
        return await SHA256.HashDataAsync(plaintext, cancellation).ConfigureAwait(false);
    }

    private IEnumerable<string> Archives() => Directory.EnumerateFiles(directory, "*.ksa", Everything).Order(StringComparer.Ordinal);

    private static FileStream Open(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);

    private static async Task<ArchiveHeader?> TryReadAsync(string path, CancellationToken cancellation)
    {
        await using var file = Open(path);
        try
        {
            return await ArchiveDecryptor.ReadHeaderAsync(file, cancellation).ConfigureAwait(false);
        }
        catch (ArchiveException)
        {
            return null;
        }
    }

    private static HashSet<KeyVersionId> VersionsOf(ArchiveHeader header) =>
        [.. header.WrappedDataKeys.Select(wrapped => WrappedDataKey.TryParse(wrapped.Span, out var key) ? key.VersionId : KeyVersionId.None)
            .Where(version => version != KeyVersionId.None)];
}
