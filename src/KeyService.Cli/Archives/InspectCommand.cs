using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.DataKeys;
using KeyService.Cli.Fields;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Cli.Archives;

/// <summary><c>keyservice inspect</c>: needs neither keys nor the service, and so proves nothing; verify does.</summary>
internal static class InspectCommand
{
    // An archive's header, or the text form of the largest field token with a line's end.
    private const int Head = 2 * 1024 * 1024;

    public static Command Create()
    {
        var input = new Argument<string?>("FILE") { Description = "File; stdin when absent or -", Arity = ArgumentArity.ZeroOrOne };
        return new Command("inspect", "Say what an archive, wrapped data key or field token is; needs no key and no service")
        {
            input,
        }.Runs(async run =>
        {
            using var stream = InputFile.Open(run.Get(input));
            var head = new byte[Head];
            var length = await stream.ReadAtLeastAsync(head, Head, throwOnEndOfStream: false, run.Cancellation).ConfigureAwait(false);
            var total = InputFile.LengthOf(stream) ?? (length < Head ? length : null);
            run.Report.Write(Describe(head.AsSpan(0, length), total));
        });
    }

    internal static Record Describe(ReadOnlySpan<byte> head, long? total)
    {
        if (WrappedKeyInput.TryParse(head) is { } wrapped)
        {
            _ = WrappedDataKey.TryParse(wrapped, out var key);
            return new Record
            {
                ["kind"] = "wrapped-data-key",
                ["format"] = (int)WrappedDataKey.Format,
                ["key_version"] = key.VersionId.ToString(),
                ["bytes"] = wrapped.Length,
            };
        }
        if (FieldCommands.TryParse(head) is { } bytes)
        {
            _ = FieldToken.TryParse(bytes, out var token);
            return new Record
            {
                ["kind"] = "field-token",
                ["format"] = (int)token.Format,
                ["key_version"] = token.Format == FieldToken.Format1 ? token.VersionId.ToString() : null,
                ["data_key_id"] = token.Format == FieldToken.Format2 ? Convert.ToHexStringLower(token.DataKeyId) : null,
                ["plaintext_bytes"] = token.PlaintextLength,
                ["bytes"] = bytes.Length,
            };
        }
        return Describe(ArchiveHeader.Parse(head), total);
    }

    private static Record Describe(ArchiveHeader header, long? total) => new()
    {
        ["kind"] = "archive",
        ["format"] = 1,
        ["archive_id"] = Convert.ToHexStringLower(header.ArchiveId.Span),
        ["content_name"] = header.ContentName,
        ["context"] = header.Context.Pairs,
        ["key_versions"] = header.WrappedDataKeys.Select(VersionOf).ToList(),
        ["rewraps"] = header.Sequence - 2,
        ["damaged_slot_areas"] = header.DamagedSlotAreas,
        ["header_bytes"] = header.Length,
        ["plaintext_bytes"] = total is { } length ? PlaintextLength(length - header.Length) : null,
        ["bytes"] = total,
    };

    private static string VersionOf(ReadOnlyMemory<byte> wrapped) =>
        WrappedDataKey.TryParse(wrapped.Span, out var key) ? key.VersionId.ToString() : "unknown";

    // What the length says; only opening the last chunk proves it. Null: this length no whole archive has.
    internal static long? PlaintextLength(long payload)
    {
        var (full, rest) = Math.DivRem(payload - ArchiveFormat.PayloadPrefixLength, ArchiveFormat.SealedChunkLength);
        return payload < ArchiveFormat.PayloadPrefixLength || rest < ArchiveFormat.TagLength
            ? null
            : (full * ArchiveFormat.ChunkLength) + rest - ArchiveFormat.TagLength;
    }
}
