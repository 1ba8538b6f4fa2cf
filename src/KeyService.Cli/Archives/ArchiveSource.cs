using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Processes;

namespace KeyService.Cli.Archives;

/// <summary>What the command line names as input: a path (null is stdin) or a producer command.</summary>
internal sealed record InputChoice(string? Path, string[]? Producer)
{
    public void Check()
    {
        if (Producer is { Length: 0 })
        {
            throw CliError.Usage("No command stands after --.", "Write for example: keyservice encrypt --key K -o dump.ksa -- pg_dump ehr.");
        }
        if (Producer is not null && Path is not null)
        {
            throw CliError.Usage("An archive has one input: a file or a command, not both.", "Leave one of them.");
        }
    }
}

/// <summary>
/// The plaintext of an archive. A file is opened at once, so that a wrong path costs nothing; a producer is started only
/// by <see cref="Open"/>, when the service has given its key: nobody's dump begins for an archive that cannot be made.
/// </summary>
internal sealed class ArchiveSource : IDisposable
{
    private readonly string[]? command;
    private readonly Stream? stream;
    private Producer? producer;

    public ArchiveSource(InputChoice input)
    {
        command = input.Producer;
        stream = command is null ? InputFile.Open(input.Path) : null;
        Length = stream is null ? null : InputFile.LengthOf(stream);
        ContentName = Nameable(Path.GetFileName(command is not null ? command[0] : input.Path is null or "-" ? "" : input.Path));
    }

    /// <summary>Bytes to come, when known.</summary>
    public long? Length { get; }

    /// <summary>Name of the file, or of the producer's program; empty for stdin. Never a directory: paths tell more than they should.</summary>
    public string ContentName { get; }

    public Stream Open()
    {
        if (command is null)
        {
            return stream!;
        }
        producer = Producer.Start(command);
        return producer.Output;
    }

    public void Dispose()
    {
        producer?.Dispose();
        stream?.Dispose();
    }

    // A file name that breaks the rule of content names is left out rather than refused: only --name insists.
    private static string Nameable(string name) =>
        System.Text.Encoding.UTF8.GetByteCount(name) <= 255 && !name.Any(c => char.IsControl(c) || char.IsSurrogate(c) || c == '\uFFFD') ? name : "";
}
