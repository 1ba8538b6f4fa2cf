using System.Text;
using Google.Protobuf;

namespace KeyService.Server.Evidence;

/// <summary>One file of evidence and what it answers.</summary>
/// <param name="Name">In the pack, for example "access/grants.json".</param>
/// <param name="Title">What it is, in a few words.</param>
/// <param name="Paragraph">Of 45 CFR, for example "164.312(a)(1)".</param>
/// <param name="Shows">What it shows, and what it does not, in a sentence or two.</param>
/// <param name="Count">How many things are in it.</param>
internal sealed record EvidenceItem(string Name, string Title, string Paragraph, string Shows, long Count, byte[] Content)
{
    private static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true));

    /// <summary>Files that belong to it, which the page links to beside it.</summary>
    public IReadOnlyList<EvidenceFile> Beside { get; init; } = [];

    /// <summary>A JSON list of messages.</summary>
    public static EvidenceItem OfMessages(string name, string title, string paragraph, string shows, IEnumerable<IMessage> messages)
    {
        var list = messages.Select(TextOf).ToList();
        return new EvidenceItem(name, title, paragraph, shows, list.Count, Encoding.UTF8.GetBytes(list.Count == 0 ? "[]\n" : $"[\n{string.Join(",\n", list)}\n]\n"));
    }

    /// <summary>A CSV file.</summary>
    /// <param name="lines">Of <see cref="CsvLine"/>.</param>
    public static EvidenceItem OfLines(string name, string title, string paragraph, string shows, string header, IReadOnlyCollection<string> lines) =>
        new(name, title, paragraph, shows, lines.Count, Encoding.UTF8.GetBytes(string.Concat(lines.Prepend(header).Select(line => line + "\n"))));

    /// <summary>A message as it stands in the files.</summary>
    public static string TextOf(IMessage message) => Json.Format(message);
}

/// <summary>A file of the pack that stands beside an item.</summary>
/// <param name="Name">In the pack.</param>
internal sealed record EvidenceFile(string Name, byte[] Content);
