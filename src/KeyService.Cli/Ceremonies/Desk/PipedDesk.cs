using System.Text;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>A rehearsal that is played through a pipe: what is said goes to stderr, answers are lines of stdin. Its shares are worth nothing, and are shown.</summary>
internal sealed class PipedDesk : ICeremonyDesk
{
    private readonly Queue<string> words = [];

    public void Heading(string title, string place) => Say($"== {title} · {place}");

    public void Say(string text) => Console.Error.WriteLine(Terminal.Printable(text.ReplaceLineEndings(" ")));

    public void Warn(string text) => Say($"! {text}");

    public void Progress(string text)
    {
        // Nobody watches.
    }

    public string Ask(string question)
    {
        Say($"? {question}");
        var answer = ReadLine().Trim();
        return answer == "stop" ? throw new CeremonyStoppedException() : answer;
    }

    public Passphrase AskPassphrase(string what)
    {
        Say($"? Passphrase {what}");
        return Passphrase.Of(ReadLine());
    }

    public void ShowShare(string heading, ReadOnlySpan<ushort> words)
    {
        var text = new StringBuilder("SHARE");
        foreach (var word in words)
        {
            text.Append(' ').Append(ShareWordList.At(word));
        }
        Say(heading);
        Say(text.ToString());
    }

    public void BeginWords(string heading, string advice)
    {
        words.Clear();
        Say(heading);
    }

    public TypedWord ReadWord(int position, int count)
    {
        while (words.Count == 0)
        {
            Say($"? Word {position} of {count}");
            foreach (var each in ReadLine().Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                words.Enqueue(each);
            }
        }
        return words.Dequeue() switch
        {
            "stop" => throw new CeremonyStoppedException(),
            "show" => new TypedWord(null, WantsToSee: true),
            var word => new TypedWord(ShareWordList.TryFind(word, out var number) ? number : null),
        };
    }

    public void EndWords() => words.Clear();

    public void Dispose()
    {
    }

    private static string ReadLine() => Console.In.ReadLine()
        ?? throw new CliError(ExitCode.Interrupted, "INTERRUPTED", "The input ended in the middle of the ceremony.", "Go on with keyservice ceremony resume.");
}
