using System.Globalization;
using KeyService.Crypto.IO;
using KeyService.Crypto.Logs;

namespace KeyService.Server.Audit;

/// <summary>
/// A directory of files that are written once: <c>ID/THOUSANDS/SIZE.checkpoint</c>, a note each. It is never made here: a mount point that is
/// not mounted must not be taken for what belongs there. What stands there already is compared and left.
/// </summary>
internal sealed class CheckpointDirectory(string name, string directory) : ICheckpointDestination
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.GroupRead;
    private const long PerFolder = 1000;

    public string Name => name;

    public Task<IReadOnlyList<NoteSignature>> PushAsync(PushedCheckpoint checkpoint, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<NoteSignature>>(
        () =>
        {
            try
            {
                Write(checkpoint);
                return [];
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new CheckpointPushException(exception.Message.TrimEnd('.'), cause: exception);
            }
        },
        cancellationToken);

    /// <summary>Where a checkpoint stands.</summary>
    public string PathOf(Checkpoint checkpoint)
    {
        var installation = checkpoint.Origin.Split('/')[1];
        return Path.Combine(
            directory, installation, (checkpoint.Size / PerFolder).ToString("D9", CultureInfo.InvariantCulture),
            checkpoint.Size.ToString("D12", CultureInfo.InvariantCulture) + ".checkpoint");
    }

    private void Write(PushedCheckpoint checkpoint)
    {
        if (!Directory.Exists(directory))
        {
            throw new DirectoryNotFoundException($"The directory {directory} is not there. Mount or make it");
        }

        var path = PathOf(checkpoint.Checkpoint);
        if (File.Exists(path))
        {
            // Another signature of the same is the same; what stands there is whole, or was not written by us.
            if (!SignedNote.TryParse(File.ReadAllBytes(path), out var there) || there!.Text != checkpoint.Note.Text)
            {
                throw new CheckpointPushException($"{path} holds another checkpoint of that size, or is damaged", contradicts: true);
            }

            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        DurableFile.WriteAllBytes(path, checkpoint.Note.ToArray(), Mode);
    }
}
