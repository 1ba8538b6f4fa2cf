using System.Globalization;
using System.Text;
using KeyService.Crypto.Logs;

namespace KeyService.Server.Witness;

/// <summary>An answer of the witness: HTTP status, media type, body.</summary>
internal sealed record WitnessAnswer(int Status, string MediaType, byte[] Body)
{
    public static WitnessAnswer Text(int status, string sentence) => new(status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(sentence + "\n"));
}

/// <summary>
/// Judges checkpoints (C2SP tlog-witness, add-checkpoint): cosigns what goes on from the last one that it cosigned of the log, and nothing
/// else. One at a time.
/// </summary>
internal sealed partial class WitnessDesk(
    IReadOnlyDictionary<string, IReadOnlyList<NoteVerifier>> logs, WitnessKey key, WitnessState state, TimeProvider time, ILogger<WitnessDesk> logger)
{
    private readonly Lock _one = new();

    public WitnessAnswer Add(ReadOnlySpan<byte> body)
    {
        if (!WitnessRequest.TryParse(body, out var request) || !Checkpoint.TryParse(request!.Note.Text, out var checkpoint))
        {
            return WitnessAnswer.Text(400, "The body is no add-checkpoint request of c2sp.org/tlog-witness.");
        }

        if (!logs.TryGetValue(checkpoint!.Origin, out var keys))
        {
            return WitnessAnswer.Text(404, "This witness does not know the log.");
        }

        if (!keys.Any(each => each.Signed(request.Note)))
        {
            return WitnessAnswer.Text(403, "The checkpoint is not signed by a key that this witness knows of the log.");
        }

        if (request.OldSize > checkpoint.Size)
        {
            return WitnessAnswer.Text(400, "The old size is larger than the checkpoint's.");
        }

        lock (_one)
        {
            return Judge(request, checkpoint);
        }
    }

    private WitnessAnswer Judge(WitnessRequest request, Checkpoint checkpoint)
    {
        var latest = state.LatestOf(checkpoint.Origin);
        var size = latest?.Size ?? 0;
        if (request.OldSize != size)
        {
            if (checkpoint.Size < size)
            {
                RolledBack(logger, checkpoint.Origin, checkpoint.Size, size);
            }

            return new WitnessAnswer(409, "text/x.tlog.size", Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{size}\n")));
        }

        if (latest is not null && checkpoint.Size == size && !checkpoint.Root.AsSpan().SequenceEqual(latest.Root))
        {
            Forked(logger, checkpoint.Origin, size, $"{request.Note}");
            return WitnessAnswer.Text(409, "This witness cosigned another root of that size: the log tells two histories.");
        }

        if (!MerkleProof.VerifyConsistency(size, latest?.Root ?? MerkleHash.Empty(), checkpoint.Size, checkpoint.Root, request.Proof))
        {
            Unproven(logger, checkpoint.Origin, size, checkpoint.Size);
            return WitnessAnswer.Text(422, "The proof does not lead from the last cosigned checkpoint to this one.");
        }

        var cosignature = key.Cosign(request.Note.Text, time.GetUtcNow());
        try
        {
            state.Keep(checkpoint, request.Note.With([cosignature]));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            NotKept(logger, checkpoint.Origin, exception);
            return WitnessAnswer.Text(503, "The witness cannot keep its state now.");
        }

        Cosigned(logger, checkpoint.Origin, checkpoint.Size);
        return new WitnessAnswer(200, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes($"{cosignature}"));
    }

    [LoggerMessage(5100, LogLevel.Information, "Cosigned {Origin} at size {Size}")]
    private static partial void Cosigned(ILogger logger, string origin, long size);

    [LoggerMessage(5101, LogLevel.Error, "Two histories of {Origin} at size {Size}, both signed by the log. Keep this one as evidence:\n{Note}")]
    private static partial void Forked(ILogger logger, string origin, long size, string note);

    [LoggerMessage(5102, LogLevel.Error, "{Origin}: no proof that the log goes on from size {OldSize} to {Size}; it may tell another history")]
    private static partial void Unproven(ILogger logger, string origin, long oldSize, long size);

    [LoggerMessage(5103, LogLevel.Warning, "{Origin} was offered at size {Size}, and {OldSize} was cosigned already: the log was put back, or a request was late")]
    private static partial void RolledBack(ILogger logger, string origin, long size, long oldSize);

    [LoggerMessage(5104, LogLevel.Error, "The cosigned checkpoint of {Origin} could not be kept, so it was not given out")]
    private static partial void NotKept(ILogger logger, string origin, Exception exception);
}
