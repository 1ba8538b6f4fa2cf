using KeyService.Crypto.Approvals;

namespace KeyService.Crypto.Ceremonies;

/// <summary>What an entry of a transcript says. Its word in small letters is what stands in the document.</summary>
public enum TranscriptEntryType
{
    /// <summary>Somebody takes part. Subject: the person's name; text: role, a space, the name in full.</summary>
    Person,

    /// <summary>Something that was there or came out: hashes of software, serial numbers, fingerprints. Subject: which.</summary>
    Fact,

    /// <summary>A step is about to be done. Subject: its number; text: its title.</summary>
    Begin,

    /// <summary>What a step must show. Subject: its number.</summary>
    Expect,

    /// <summary>What it showed. Subject: its number.</summary>
    Observe,

    /// <summary>A share. Subject: set and index; text: threshold, digest, custodian, bag.</summary>
    Share,

    /// <summary>A file that belongs to the ceremony. Subject: its name; text: SHA-256 and length.</summary>
    Attach,

    /// <summary>Something went otherwise than the script says. Subject: the step's number.</summary>
    Deviation,

    /// <summary>A step is done. Subject: its number; text: who did it, who witnessed it.</summary>
    Done,

    /// <summary>Nothing follows. Subject: completed, void or postponed; text: why.</summary>
    End,
}

/// <summary>One entry of a transcript.</summary>
/// <param name="Time">In whole seconds, UTC, by the station's clock.</param>
/// <param name="Type">What it says.</param>
/// <param name="Subject">1 to 64 characters of [a-z0-9._/-], beginning with a letter or digit.</param>
/// <param name="Text">1 to 4,096 characters of any text without U+FFFD and lone surrogates. No secret, ever.</param>
public sealed record TranscriptEntry(DateTimeOffset Time, TranscriptEntryType Type, string Subject, string Text)
{
    /// <summary>Characters of a text at most.</summary>
    public const int MaxTextLength = 4096;

    private const int MaxSubjectLength = 64;

    /// <summary>Whether subject, text and time keep their rules.</summary>
    public bool IsValid => Subject.Length is > 0 and <= MaxSubjectLength && char.IsAsciiLetterOrDigit(Subject[0]) && Subject.All(IsSubject)
        && Text.Length is > 0 and <= MaxTextLength && Value.IsValid && DocumentLines.WholeSeconds(Time) == Time && Enum.IsDefined(Type);

    private RequestParameter Value => new("text", Text);

    /// <summary>The line without its hash.</summary>
    internal string ToLine() => $"{DocumentLines.TimeText(Time)} {Word(Type)} {Subject} {Value.Escaped()}";

    /// <summary>What <see cref="ToLine"/> wrote.</summary>
    internal static TranscriptEntry? Read(string line)
    {
        if (line.Split(' ', 4) is not [var time, var word, var subject, var text] || !DocumentLines.TryTime(time, out DateTimeOffset at)
            || Array.FindIndex(Words, each => each == word) is not (>= 0 and var type) || !RequestParameter.TryUnescape(text, out string value))
        {
            return null;
        }
        var entry = new TranscriptEntry(at, (TranscriptEntryType)type, subject, value);
        return entry.IsValid ? entry : null;
    }

    private static readonly string[] Words = ["person", "fact", "begin", "expect", "observe", "share", "attach", "deviation", "done", "end"];

    private static string Word(TranscriptEntryType type) => Words[(int)type];

    private static bool IsSubject(char c) => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '/' or '-';
}
