using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>
/// A terminal. Shares are shown and typed on its alternate screen, which has no scroll-back, and wiped before it is left; they go to the terminal from
/// pinned memory that is zeroed. What the terminal itself remembers is beyond this program: a ceremony's station is switched off afterwards.
/// </summary>
internal sealed class TerminalDesk : ICeremonyDesk
{
    private const int Columns = 78;
    private const int WordsInRow = 3;
    private const string Enter = "\e[?1049h\e[2J\e[H";
    private const string Leave = "\e[2J\e[H\e[?1049l";

    // The console of Linux has no alternate screen, and a scroll-back that can be emptied.
    private static readonly bool HasOneScreen = Environment.GetEnvironmentVariable("TERM") == "linux";

    private readonly Stream output = Console.OpenStandardError();
    private readonly bool rehearsal;
    private bool isElsewhere;

    public TerminalDesk(bool rehearsal)
    {
        this.rehearsal = rehearsal;
        // A signal that ends the command must not leave words on the screen.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => EndWords();
    }

    public void Heading(string title, string place)
    {
        Write(HasOneScreen ? "\e[2J\e[H\e[3J" : "\e[2J\e[H");
        Write($"\e[1m{Terminal.Printable(title)}\e[0m\n\e[2m{Terminal.Printable(place)}\e[0m\n");
        if (rehearsal)
        {
            Write("\e[7m REHEARSAL \e[0m with a toy token: nothing made here counts.\n");
        }
        Write("\n");
    }

    public void Say(string text) => Write(Wrapped(text) + "\n");

    public void Warn(string text) => Write($"\e[1m! {Wrapped(text)}\e[0m\n");

    public void Progress(string text) => Write($"\r\e[2K  {Terminal.Printable(text)}");

    public string Ask(string question)
    {
        Write($"\n{Wrapped(question)}\n> ");
        var answer = Console.ReadLine()?.Trim() ?? throw Gone();
        return answer == "stop" ? throw new CeremonyStoppedException() : answer;
    }

    public Passphrase AskPassphrase(string what) => Passphrase.Read(null, what, twice: false);

    public void ShowShare(string heading, ReadOnlySpan<ushort> words)
    {
        BeginWords(heading, "Write these words on your paper, with their numbers. Nobody else looks at the screen.");
        WriteWords(words);
        Write("\n  Written down, and compared once with the screen? Press Enter: the words go and do not come back.\n");
        while (ReadKey().Key != ConsoleKey.Enter)
        {
        }
        EndWords();
    }

    public void BeginWords(string heading, string advice)
    {
        Write(Enter);
        isElsewhere = true;
        // Ctrl-C would end the command, and Ctrl-Z leave the words to whoever sits down next.
        Console.TreatControlCAsInput = true;
        Write($"\n  \e[1m{Terminal.Printable(heading)}\e[0m{(rehearsal ? "   \e[7m REHEARSAL \e[0m" : "")}\n\n  {Wrapped(advice).ReplaceLineEndings("\n  ")}\n\n");
    }

    public TypedWord ReadWord(int position, int count)
    {
        Write($"\r\e[2K  word {position,2} of {count}: ");
        var letters = GC.AllocateArray<char>(16, pinned: true);
        try
        {
            var length = ReadLetters(letters);
            var typed = letters.AsSpan(0, length);
            var word = typed switch
            {
                "stop" => throw new CeremonyStoppedException(),
                "show" => new TypedWord(null, WantsToSee: true),
                _ => new TypedWord(ShareWordList.TryFind(typed, out var number) ? number : null),
            };
            Write(word switch
            {
                { Number: not null } => $"\r\e[2K  word {position,2} of {count}: ok\n",
                { WantsToSee: true } => "\r\e[2K",
                _ => $"\r\e[2K  word {position,2} of {count}: that is no word of the list. Look at it again; its first four letters are enough.\n",
            });
            return word;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(letters.AsSpan()));
        }
    }

    public void EndWords()
    {
        if (isElsewhere)
        {
            isElsewhere = false;
            Write(HasOneScreen ? "\e[2J\e[H\e[3J" : Leave);
            Console.TreatControlCAsInput = false;
        }
    }

    public void Dispose()
    {
        EndWords();
        output.Dispose();
    }

    private ConsoleKeyInfo ReadKey()
    {
        var key = Console.ReadKey(intercept: true);
        if (key is { Key: ConsoleKey.C, Modifiers: ConsoleModifiers.Control })
        {
            EndWords();
            throw new CeremonyStoppedException();
        }
        return key;
    }

    private int ReadLetters(Span<char> letters)
    {
        var length = 0;
        while (ReadKey() is var key)
        {
            if (key.Key is ConsoleKey.Enter or ConsoleKey.Spacebar or ConsoleKey.Tab)
            {
                if (length > 0)
                {
                    break;
                }
            }
            else if (key.Key == ConsoleKey.Backspace)
            {
                if (length > 0)
                {
                    letters[--length] = '\0';
                    Write("\b \b");
                }
            }
            else if (char.ToLowerInvariant(key.KeyChar) is >= 'a' and <= 'z' and var letter && length < letters.Length)
            {
                letters[length++] = letter;
                Span<byte> shown = [(byte)letter];
                output.Write(shown);
                shown.Clear();
            }
        }
        return length;
    }

    // Numbered columns; from memory that is zeroed, for a string would stay in the heap.
    private void WriteWords(ReadOnlySpan<ushort> words)
    {
        var line = GC.AllocateArray<byte>(128, pinned: true);
        try
        {
            var rows = (words.Length + WordsInRow - 1) / WordsInRow;
            for (var row = 0; row < rows; row++)
            {
                var span = line.AsSpan();
                span.Fill((byte)' ');
                for (var column = 0; column < WordsInRow && row + (column * rows) is var at && at < words.Length; column++)
                {
                    var cell = span[(2 + (column * 22))..];
                    _ = Encoding.ASCII.GetBytes($"{at + 1,2}", cell);
                    _ = Encoding.ASCII.GetBytes(ShareWordList.At(words[at]), cell[4..]);
                }
                span[70] = (byte)'\n';
                output.Write(span[..71]);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(line);
        }
    }

    private void Write(string text) => output.Write(Encoding.UTF8.GetBytes(text));

    private static string Wrapped(string text)
    {
        var lines = new StringBuilder();
        foreach (var paragraph in text.ReplaceLineEndings("\n").Split('\n'))
        {
            var printable = Terminal.Printable(paragraph);
            var indent = new string(' ', printable.Length - printable.TrimStart(' ').Length);
            var length = 0;
            foreach (var word in printable.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (length > 0 && length + 1 + word.Length > Columns)
                {
                    lines.Append('\n');
                    length = 0;
                }
                lines.Append(length > 0 ? " " : indent).Append(word);
                length += word.Length + (length > 0 ? 1 : indent.Length);
            }
            lines.Append('\n');
        }
        return lines.ToString().TrimEnd('\n');
    }

    private static CliError Gone() => new(ExitCode.Interrupted, "INTERRUPTED", "The terminal is gone.", "Go on with keyservice ceremony resume.");
}
