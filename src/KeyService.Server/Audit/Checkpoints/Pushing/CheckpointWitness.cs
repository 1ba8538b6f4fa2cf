using System.Globalization;
using System.Net.Http.Headers;
using KeyService.Crypto.Logs;

namespace KeyService.Server.Audit;

/// <summary>
/// Another operator's witness (C2SP tlog-witness): it gets the checkpoint with a proof that it goes on from the last one that it cosigned, and
/// answers with its cosignature.
/// </summary>
internal sealed class CheckpointWitness(string name, Uri prefix, NoteVerifier key, string? caPath) : ICheckpointDestination
{
    private const int Attempts = 3;

    private readonly Uri _url = new(prefix.AbsoluteUri.TrimEnd('/') + "/add-checkpoint");

    // What it cosigned last; it says so itself when this is wrong.
    private long _size;

    public string Name => name;

    public async Task<IReadOnlyList<NoteSignature>> PushAsync(PushedCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var old = _size > checkpoint.Checkpoint.Size ? 0 : _size;
            var request = new WitnessRequest(old, await checkpoint.Proof(old, cancellationToken), checkpoint.Note);
            using var content = new ByteArrayContent(request.ToArray());
            content.Headers.ContentType = new MediaTypeHeaderValue("text/plain", "utf-8");
            var (status, body) = await CheckpointPosts.PostAsync(_url, caPath, content, cancellationToken);
            switch (status)
            {
                case 200:
                    var cosignatures = Cosignatures(checkpoint.Note, body);
                    _size = checkpoint.Checkpoint.Size;
                    return cosignatures;
                case 409 when TryParseSize(body, out var size) && size > checkpoint.Checkpoint.Size:
                    throw new CheckpointPushException(
                        $"the witness cosigned a directory of {size} entries and this one has {checkpoint.Checkpoint.Size}: the database was put back, or another server is ahead", contradicts: true);
                case 409 when TryParseSize(body, out var size) && size != old:
                    _size = size;
                    break;
                case 409:
                    throw new CheckpointPushException("the witness cosigned another history of that size", contradicts: true);
                case 422:
                    throw new CheckpointPushException("the witness found that the log does not go on from what it cosigned", contradicts: true);
                case 403:
                    throw new CheckpointPushException("the witness does not know the key that signs the checkpoints: give its operator what keyservice audit key writes");
                case 404:
                    throw new CheckpointPushException("the witness does not know this log: give its operator what keyservice audit key writes");
                default:
                    throw new CheckpointPushException($"the witness answered {status}");
            }
        }

        throw new CheckpointPushException("the witness names another size each time");
    }

    private NoteSignature[] Cosignatures(SignedNote note, byte[] body)
    {
        if (!WitnessRequest.TryParseAnswer(body, out var lines))
        {
            throw new CheckpointPushException("the witness answered with no signature lines");
        }

        // Lines of keys that are not its own say nothing here.
        NoteSignature[] own = [.. lines.Where(key.Names)];
        return own.Length > 0 && key.Signed(note.With(own))
            ? own : throw new CheckpointPushException("the witness answered without a valid cosignature of the key that is configured for it");
    }

    private static bool TryParseSize(byte[] body, out long size)
    {
        size = 0;
        return body is [.., (byte)'\n'] && long.TryParse(System.Text.Encoding.ASCII.GetString(body[..^1]), NumberStyles.None, CultureInfo.InvariantCulture, out size);
    }
}
