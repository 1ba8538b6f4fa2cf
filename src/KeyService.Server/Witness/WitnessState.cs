using System.Security.Cryptography;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;
using KeyService.Server.Hosting;

namespace KeyService.Server.Witness;

/// <summary>
/// The last checkpoint that was cosigned of each log, a file each, durable before anybody gets the cosignature. A file that is no longer what
/// the witness wrote stops the start: a witness that forgot would sign a fork.
/// </summary>
internal sealed class WitnessState : IDisposable
{
    private readonly string _directory;
    private readonly FileStream _lock;
    private readonly Dictionary<string, Checkpoint> _latest = new(StringComparer.Ordinal);

    private WitnessState(string directory, FileStream owned)
    {
        _directory = directory;
        _lock = owned;
    }

    /// <summary>Reads what stands in the directory, and keeps other witnesses out of it.</summary>
    /// <param name="own">The witness's key, which signed all of it.</param>
    /// <exception cref="StartUpException">Another one runs there, or a file is not what was written.</exception>
    public static WitnessState Open(string directory, NoteVerifier own)
    {
        Directory.CreateDirectory(directory);
        FileStream owned;
        try
        {
            owned = new FileStream(Path.Combine(directory, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception)
        {
            throw new StartUpException(ExitCode.InUse, $"Another witness works in {directory}.", exception);
        }

        var state = new WitnessState(directory, owned);
        foreach (var path in Directory.EnumerateFiles(directory, "*.checkpoint"))
        {
            if (!SignedNote.TryParse(File.ReadAllBytes(path), out var note) || !own.Signed(note!) || !Checkpoint.TryParse(note!.Text, out var checkpoint)
                || FileOf(directory, checkpoint!.Origin) != path)
            {
                owned.Dispose();
                throw new StartUpException(
                    ExitCode.Tampered, $"{path} is not a checkpoint that this witness ({own.Name}) cosigned. Put back what stood there: a witness that forgot would sign another history.");
            }

            state._latest[checkpoint.Origin] = checkpoint;
        }

        return state;
    }

    /// <summary>Null when nothing was cosigned of the log.</summary>
    public Checkpoint? LatestOf(string origin) => _latest.GetValueOrDefault(origin);

    /// <summary>Makes a cosigned checkpoint the last one, durably.</summary>
    /// <exception cref="IOException">It may not be on the disk: the cosignature must not be given out.</exception>
    public void Keep(Checkpoint checkpoint, SignedNote cosigned)
    {
        DurableFile.WriteAllBytes(FileOf(_directory, checkpoint.Origin), cosigned.ToArray(), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        _latest[checkpoint.Origin] = checkpoint;
    }

    public void Dispose() => _lock.Dispose();

    // Origins hold slashes, and anything else.
    private static string FileOf(string directory, string origin) =>
        Path.Combine(directory, Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(origin)).AsSpan(0, 16)) + ".checkpoint");
}
