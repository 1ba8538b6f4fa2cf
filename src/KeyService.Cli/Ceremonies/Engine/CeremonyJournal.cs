using KeyService.Cli.CommandLine;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Ceremonies;

/// <summary>
/// The transcript while it is written: each entry is on the disk before what it announces is done. One process at a time has it.
/// </summary>
internal sealed class CeremonyJournal : IDisposable
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly TimeProvider time;
    private readonly string path;
    private FileStream file;

    private CeremonyJournal(string path, FileStream file, Transcript transcript, TimeProvider time)
    {
        this.path = path;
        this.file = file;
        this.time = time;
        Transcript = transcript;
        StepsOfEarlierProcess = transcript.Entries.Where(each => each.Type == TranscriptEntryType.Begin).Select(each => each.Subject).ToHashSet(StringComparer.Ordinal);
    }

    public Transcript Transcript { get; private set; }

    /// <summary>Steps that had begun when this process took the journal up.</summary>
    public IReadOnlySet<string> StepsOfEarlierProcess { get; }

    public string Path => path;

    public static CeremonyJournal Create(string path, TranscriptHeader header, TimeProvider time)
    {
        if (System.IO.Path.Exists(path))
        {
            throw new CliError(ExitCode.Conflict, "ALREADY_EXISTS", $"{path} is the record of another ceremony.",
                "Go on with it (keyservice ceremony resume), or name a directory of its own for this one.");
        }
        var transcript = Transcript.Begin(header);
        DurableFile.DeleteLeftovers(path);
        DurableFile.WriteAllBytes(path, header.ToArray(), Mode);
        var file = OpenFile(path);
        file.Seek(0, SeekOrigin.End);
        return new CeremonyJournal(path, file, transcript, time);
    }

    /// <summary>Takes up a journal. A last line that a loss of power cut is dropped: what it announced had not begun.</summary>
    public static CeremonyJournal Open(string path, TimeProvider time)
    {
        var file = OpenFile(path);
        try
        {
            DurableFile.DeleteLeftovers(path);
            var bytes = new byte[Math.Min(file.Length, Transcript.MaxLength)];
            file.ReadExactly(bytes);
            var whole = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
            if (!Transcript.TryParse(bytes.AsSpan(0, whole), out var transcript))
            {
                throw new CliError(ExitCode.NotVerified, "TRANSCRIPT_DAMAGED", $"{path} is no transcript, or was changed: its hashes do not hold.",
                    "Fetch the copy that was printed or carried away, and look who changed this one. The ceremony cannot go on from here.");
            }
            if (whole < file.Length)
            {
                file.SetLength(whole);
                DurableFile.Flush(file.SafeFileHandle);
            }
            file.Seek(0, SeekOrigin.End);
            return new CeremonyJournal(path, file, transcript!, time);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes an entry, durably.</summary>
    /// <exception cref="JournalLostException">It may not be on the disk: nothing more may be done.</exception>
    public void Add(TranscriptEntryType type, string subject, string text)
    {
        var entry = Entry(type, subject, text);
        Transcript = Transcript.Add(entry, out var line);
        Durably(() =>
        {
            file.Write(line);
            DurableFile.Flush(file.SafeFileHandle);
        });
    }

    /// <summary>Writes the last entry, durably, and before it why no HSM will sign, if none will: both or neither, for a ceremony that goes on is signed by its HSM.</summary>
    /// <exception cref="JournalLostException">It may not be on the disk.</exception>
    public void End(string how, string why, string? withoutHsm)
    {
        if (withoutHsm is not null)
        {
            Transcript = Transcript.Add(Entry(TranscriptEntryType.Fact, TranscriptVerdict.WithoutHsm, withoutHsm), out _);
        }
        Transcript = Transcript.Add(Entry(TranscriptEntryType.End, how, why), out _);
        // With the line that says how many signatures follow, none yet: a document by then.
        Replace();
    }

    public void Sign(bool isHsm, string signer, ReadOnlySpan<byte> publicKey, Func<byte[], byte[]> sign)
    {
        Transcript = Transcript.Sign(isHsm, signer, publicKey, sign);
        Replace();
    }

    public bool IsDone(string step) => Transcript.Entries.Any(each => each.Type == TranscriptEntryType.Done && each.Subject == step);

    /// <summary>The text of the newest entry of that type and subject.</summary>
    public string? Last(TranscriptEntryType type, string subject) => Transcript.Entries.LastOrDefault(each => each.Type == type && each.Subject == subject)?.Text;

    public void Dispose() => file.Dispose();

    private TranscriptEntry Entry(TranscriptEntryType type, string subject, string text)
    {
        var now = time.GetUtcNow();
        return new(new DateTimeOffset(now.UtcTicks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero), type, subject, Cut(text));
    }

    private void Replace() => Durably(() =>
    {
        DurableFile.WriteAllBytes(path, Transcript.ToArray(), Mode);
        file.Dispose();
        file = OpenFile(path);
        file.Seek(0, SeekOrigin.End);
    });

    private void Durably(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            throw new JournalLostException(path, e);
        }
    }

    // Share none: on Unix every other sharing lets two writers in.
    private static FileStream OpenFile(string path)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 });
        }
        catch (FileNotFoundException)
        {
            throw new CliError(ExitCode.Conflict, "NOT_FOUND", $"{path} is not there.", "Name the directory in which the ceremony was begun.");
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new CliError(ExitCode.Conflict, "IN_USE", $"{path} is in use: {e.Message}", "Another process holds this ceremony. End it first.", e);
        }
    }

    // Never between the two halves of a character.
    private static string Cut(string text) => text.Length <= TranscriptEntry.MaxTextLength
        ? text
        : text[..(char.IsHighSurrogate(text[TranscriptEntry.MaxTextLength - 1]) ? TranscriptEntry.MaxTextLength - 1 : TranscriptEntry.MaxTextLength)];
}
