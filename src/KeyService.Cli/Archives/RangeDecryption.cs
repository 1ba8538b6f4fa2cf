using System.Buffers;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Cli.Archives;

/// <summary>
/// <c>decrypt --range</c>: reads the header, the last chunk (which proves the length) and the chunks that the range touches. All of these
/// are verified; the rest of the archive is not read and nothing is said of it.
/// </summary>
internal static class RangeDecryption
{
    private const int PieceLength = 1024 * 1024;

    public static async Task RunAsync(Invocation run, Stream archive, EncryptionContext? expected, ByteRange range, OutputFile file)
    {
        if (!archive.CanSeek)
        {
            throw CliError.Usage("A range needs an archive that can be read anywhere, and this is a pipe.",
                "Name a regular file; or decrypt all of the pipe and cut the part out: … | keyservice decrypt | tail -c +START | head -c LENGTH.");
        }
        using var client = run.Connect();
        using var content = await client.Archives.OpenSeekableAsync(archive, expected, leaveOpen: true, run.Cancellation).ConfigureAwait(false);
        var (start, length) = range.Within(content.Length);
        using var progress = new Progress("decrypting", length, run.Quiet);
        await CopyAsync(content, start, length, file.Stream, progress, run.Cancellation).ConfigureAwait(false);
        run.Cancellation.ThrowIfCancellationRequested();
        file.Commit();
        progress.Finish("decrypted", length, $", from {start} of {Amount.Bytes(content.Length)}{file.Arrow}");
        Write(run, content, start, length, file, progress.Elapsed);
    }

    private static async Task CopyAsync(
        ArchiveSeekableStream content, long start, long length, Stream output, Progress progress, CancellationToken cancellation)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            content.Position = start;
            for (long done = 0; done < length;)
            {
                // Up to a multiple of the piece, so that all pieces but the first and last are whole chunks.
                var piece = (int)Math.Min(PieceLength - (content.Position % PieceLength), length - done);
                await content.ReadExactlyAsync(buffer.AsMemory(0, piece), cancellation).ConfigureAwait(false);
                await output.WriteAsync(buffer.AsMemory(0, piece), cancellation).ConfigureAwait(false);
                progress.Report(done += piece);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Write(Invocation run, ArchiveSeekableStream content, long start, long length, OutputFile file, TimeSpan elapsed)
    {
        if (!run.Json)
        {
            return;
        }
        var line = JsonLines.Line(new Record
        {
            ["operation"] = "decrypt-range",
            ["archive_id"] = Convert.ToHexStringLower(content.Header.ArchiveId.Span),
            ["content_name"] = content.Header.ContentName,
            ["context"] = content.Header.Context.Pairs,
            ["range_start"] = start,
            ["plaintext_bytes"] = length,
            ["content_bytes"] = content.Length,
            ["seconds"] = elapsed.TotalSeconds,
            ["output"] = file.Path,
        });
        using var stream = file.Path is null ? Console.OpenStandardError() : Console.OpenStandardOutput();
        stream.Write(line);
    }
}
