using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto;

namespace KeyService.Cli.Archives;

/// <summary>What became of an archive.</summary>
internal sealed record ArchiveReport(long PlaintextBytes, long ArchiveBytes, string Key, string KeyVersion)
{
    /// <summary>Null when the service worked and this side did not look into the archive.</summary>
    public EncryptionContext? Context { get; init; }

    public string? ContentName { get; init; }

    public string? ArchiveId { get; init; }

    /// <summary>The archive's path, where a command works on archives by name.</summary>
    public string? File { get; init; }

    /// <summary>What the command of a restore test read; null without one.</summary>
    public long? RestoreTestBytes { get; init; }

    /// <summary>With --json: one object on stdout, or on stderr when stdout carries the data.</summary>
    public void Write(Invocation run, string operation, string? output, TimeSpan elapsed, bool remote)
    {
        if (!run.Json)
        {
            return;
        }
        var record = new Record
        {
            ["operation"] = operation,
            ["key"] = Key,
            ["key_version"] = KeyVersion,
            ["archive_id"] = ArchiveId,
            ["content_name"] = ContentName,
            ["context"] = Context?.Pairs,
            ["plaintext_bytes"] = PlaintextBytes,
            ["archive_bytes"] = ArchiveBytes,
            ["seconds"] = elapsed.TotalSeconds,
            ["output"] = output,
            ["remote"] = remote,
        };
        if (operation == "verify")
        {
            record["file"] = File;
            record["restore_test_bytes"] = RestoreTestBytes;
        }
        var line = JsonLines.Line(record);
        using var stream = output is null && operation != "verify" ? Console.OpenStandardError() : Console.OpenStandardOutput();
        stream.Write(line);
    }
}
