using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>A custodian types a share, word by word.</summary>
internal static class ShareEntry
{
    private const int Corrections = 3;

    /// <summary>Types a share that was just shown; each word is compared at once.</summary>
    public static Share ReadAgain(ICeremonyDesk desk, string heading, ReadOnlySpan<ushort> shown)
    {
        var typed = new ushort[shown.Length];
        desk.BeginWords(heading, "Now type the words from your paper. Four letters of each are enough. Type show to see the screen again.");
        try
        {
            for (var at = 0; at < shown.Length;)
            {
                var word = desk.ReadWord(at + 1, shown.Length);
                if (word.WantsToSee)
                {
                    desk.EndWords();
                    desk.ShowShare(heading, shown);
                    desk.BeginWords(heading, "Go on with the next word.");
                }
                else if (word.Number is { } number && number != shown[at])
                {
                    desk.Warn($"Word {at + 1} is another one than was shown. Look at your paper; type show to see the screen, correct the paper, and type the word again.");
                }
                else if (word.Number is { } right)
                {
                    typed[at++] = right;
                }
            }
            // What was compared word by word parses as the original does.
            return Share.TryParse(typed, out var share, out var fault) ? share! : throw new InvalidDataException($"A share that was made here does not parse: {fault}.");
        }
        finally
        {
            typed.AsSpan().Clear();
            desk.EndWords();
        }
    }

    /// <summary>Types a share that nobody else here has seen.</summary>
    /// <param name="problem">Why there is none, as a sentence.</param>
    public static Share? Read(ICeremonyDesk desk, string heading, int count, out string? problem)
    {
        var typed = new ushort[count];
        desk.BeginWords(heading, "Type the words from your paper. Four letters of each are enough.");
        try
        {
            for (var at = 0; at < count;)
            {
                if (desk.ReadWord(at + 1, count).Number is { } number)
                {
                    typed[at++] = number;
                }
            }
            for (var correction = 0; ; correction++)
            {
                if (Share.TryParse(typed, out var share, out var fault))
                {
                    problem = null;
                    return share;
                }
                if (fault != ShareFault.Checksum || correction == Corrections)
                {
                    problem = fault == ShareFault.Checksum ? "its words do not fit together: more than one was misread or mistyped" : $"its words are no share ({fault})";
                    return null;
                }
                if (MistypedWord.Find(typed) is not { } wrong)
                {
                    problem = "its words do not fit together: more than one was misread or mistyped";
                    return null;
                }
                desk.Warn($"The words do not fit together. If only one is wrong, it is word {wrong.Position + 1}: look at it again, and type it once more.");
                ushort? again = null;
                while (again is null)
                {
                    again = desk.ReadWord(wrong.Position + 1, count).Number;
                }
                typed[wrong.Position] = again.Value;
            }
        }
        finally
        {
            typed.AsSpan().Clear();
            desk.EndWords();
        }
    }
}
