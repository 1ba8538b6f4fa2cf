using KeyService.Cli.Approvals;

namespace KeyService.Cli.Ceremonies;

/// <summary>Where a ceremony is held: a terminal with people around it, or a pipe that a rehearsal is played through.</summary>
internal interface ICeremonyDesk : IDisposable
{
    /// <summary>Begins a step on an empty screen.</summary>
    void Heading(string title, string place);

    /// <summary>Says something; what is written may be read by everybody in the room.</summary>
    void Say(string text);

    /// <summary>Says something that must not be overlooked.</summary>
    void Warn(string text);

    /// <summary>Says how far something is, in the place of what was said before.</summary>
    void Progress(string text);

    /// <summary>Asks one question.</summary>
    /// <exception cref="CeremonyStoppedException">The answer was <c>stop</c>.</exception>
    string Ask(string question);

    /// <summary>Asks for a passphrase, which is not shown.</summary>
    Passphrase AskPassphrase(string what);

    /// <summary>Shows a share on a screen of its own until somebody says that it is written down; nothing of it stays.</summary>
    void ShowShare(string heading, ReadOnlySpan<ushort> words);

    /// <summary>Begins a screen of its own for words that are typed; nothing of it stays.</summary>
    void BeginWords(string heading, string advice);

    /// <summary>Reads one word. Not among the list's: null. <c>show</c> and <c>stop</c> are told apart from words.</summary>
    /// <exception cref="CeremonyStoppedException">The answer was <c>stop</c>.</exception>
    TypedWord ReadWord(int position, int count);

    /// <summary>Ends the screen of <see cref="BeginWords"/>.</summary>
    void EndWords();
}

/// <summary>What was typed where a word is asked for.</summary>
/// <param name="Number">Of the word; null when it is none.</param>
/// <param name="WantsToSee">The person asks to be shown the share again.</param>
internal readonly record struct TypedWord(ushort? Number, bool WantsToSee = false);

/// <summary>Somebody in the room stopped the ceremony.</summary>
internal sealed class CeremonyStoppedException() : Exception("Stopped.");
