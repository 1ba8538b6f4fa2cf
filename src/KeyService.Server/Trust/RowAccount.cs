using System.Security.Cryptography;
using System.Text;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// What the log says of each deciding row, up to some place in each slot, kept between scrubs beside the server, so that the daily one reads only
/// what came since. Its list of files, with their SHA-256, carries a MAC. Without it, or when anything of it does not fit, the log is read from
/// its beginning: that takes longer and finds the same.
/// </summary>
internal sealed class RowAccount
{
    private const string FilesName = "account";
    private const string NoFiles = "none";
    private const string ListName = "account-list";
    private const byte Format = 1;

    private RowAccount(RowBuckets files, IReadOnlyList<LogPosition> positions, bool begun)
    {
        Rows = files;
        Positions = positions;
        HasBegun = begun;
    }

    /// <summary>The last state of each row.</summary>
    public RowBuckets Rows { get; }

    /// <summary>Up to where the log was read.</summary>
    public IReadOnlyList<LogPosition> Positions { get; }

    /// <summary>Whether the log knows all rows: it was written with them from its first record, or they were all put on record since.</summary>
    public bool HasBegun { get; }

    /// <summary>The one that stands in the directory; one that knows nothing yet when there is none that can be trusted.</summary>
    public static async Task<RowAccount> ReadAsync(string directory, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        try
        {
            if (await ListFile(directory, rows).ReadAsync(cancellationToken) is not { } list)
            {
                return Empty(directory);
            }

            using var reader = new BinaryReader(new MemoryStream(list), Encoding.UTF8);
            if (reader.ReadByte() != Format)
            {
                return Empty(directory);
            }

            var account = new RowAccount(new RowBuckets(directory, FilesName), LogPosition.Read(reader), reader.ReadBoolean());
            for (var bucket = 0; bucket < RowBuckets.Count; bucket++)
            {
                var hash = await HashAsync(account.Rows.PathOf(bucket), cancellationToken);
                if (!reader.ReadBytes(SHA256.HashSizeInBytes).AsSpan().SequenceEqual(hash))
                {
                    return Empty(directory);
                }
            }

            return account;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return Empty(directory);
        }
    }

    /// <summary>Puts what a scrub made of it in its place. A crash on the way leaves none, and the next scrub reads the whole log.</summary>
    /// <param name="directory">Where it is kept.</param>
    /// <param name="next">Closed; on the same file system.</param>
    public static async Task ReplaceAsync(
        string directory, RowBuckets next, IReadOnlyCollection<LogPosition> positions, bool begun, RowAuthenticator rows, CancellationToken cancellationToken)
    {
        Forget(directory);
        var files = new RowBuckets(directory, FilesName);
        var hashes = new List<byte[]>();
        for (var bucket = 0; bucket < RowBuckets.Count; bucket++)
        {
            var path = files.PathOf(bucket);
            File.Delete(path);
            if (File.Exists(next.PathOf(bucket)))
            {
                File.Move(next.PathOf(bucket), path);
            }

            hashes.Add(await HashAsync(path, cancellationToken));
        }

        await ListFile(directory, rows).WriteAsync(
            LogPosition.ToArray(writer =>
            {
                writer.Write(Format);
                LogPosition.Write(writer, positions);
                writer.Write(begun);
                hashes.ForEach(writer.Write);
            }),
            cancellationToken);
    }

    /// <summary>The next scrub reads the log from its beginning.</summary>
    public static void Forget(string directory)
    {
        var list = Path.Combine(directory, ListName);
        if (File.Exists(list))
        {
            File.Delete(list);
        }
    }

    /// <summary>One that knows nothing, whatever stands in the directory.</summary>
    public static RowAccount Empty(string directory) => new(new RowBuckets(directory, NoFiles), [], false);

    private static SealedFile ListFile(string directory, RowAuthenticator rows) => new(Path.Combine(directory, ListName), "scrub-account", rows);

    private static async Task<byte[]> HashAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            return SHA256.HashData([]);
        }

        await using var file = File.OpenRead(path);
        return await SHA256.HashDataAsync(file, cancellationToken);
    }
}
