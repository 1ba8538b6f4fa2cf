namespace KeyService.Crypto.Ceremonies;

/// <summary>Judges a transcript whose chain holds, by its own words and signatures. Whose the keys are is for the reader to compare.</summary>
public sealed class TranscriptVerdict
{
    /// <summary>The fact that says that no HSM was there to sign: the text says why.</summary>
    public const string WithoutHsm = "hsm.none";

    /// <summary>Subject of an end after all steps.</summary>
    public const string Completed = "completed";

    /// <summary>Subject of an end of a ceremony of which nothing counts.</summary>
    public const string Void = "void";

    /// <summary>Subject of an end before anything was made, to begin again another day.</summary>
    public const string Postponed = "postponed";

    private TranscriptVerdict(IReadOnlyList<TranscriptFinding> findings, IReadOnlyDictionary<string, string> roles, IReadOnlyList<string> unsigned, string? ending)
    {
        Findings = findings;
        Roles = roles;
        Unsigned = unsigned;
        Ending = ending;
    }

    /// <summary>What is wrong, each once, in the order of the enumeration; empty when nothing is.</summary>
    public IReadOnlyList<TranscriptFinding> Findings { get; }

    /// <summary>Name of each person to the role.</summary>
    public IReadOnlyDictionary<string, string> Roles { get; }

    /// <summary>Who took part and has not signed, in the order of names.</summary>
    public IReadOnlyList<string> Unsigned { get; }

    /// <summary>completed, void or postponed; null while it goes on.</summary>
    public string? Ending { get; }

    /// <summary>Judges one.</summary>
    public static TranscriptVerdict Of(Transcript transcript)
    {
        ArgumentNullException.ThrowIfNull(transcript);
        var findings = new SortedSet<TranscriptFinding>();
        var roles = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (TranscriptEntry entry in transcript.Entries.Where(each => each.Type == TranscriptEntryType.Person))
        {
            string[] words = entry.Text.Split(' ', 2);
            if (!CeremonyRole.All.Contains(words[0]) || !roles.TryAdd(entry.Subject, words[0]) || words is not [_, { Length: > 0 }])
            {
                findings.Add(TranscriptFinding.Roles);
            }
        }
        string? ending = transcript.Entries is [.., { Type: TranscriptEntryType.End } last] ? last.Subject : null;
        if (ending is null)
        {
            findings.Add(TranscriptFinding.NotEnded);
        }
        // One that is postponed, or ends before anybody said who is there, has nobody to be missing.
        if (ending is Completed && !(roles.ContainsValue(CeremonyRole.Administrator) && roles.ContainsValue(CeremonyRole.Witness)))
        {
            findings.Add(TranscriptFinding.Unattended);
        }
        JudgeSteps(transcript.Entries, roles, ending, findings);
        JudgeSignatures(transcript, roles, findings);
        List<string> unsigned = [.. roles.Keys.Where(name => !transcript.Signatures.Any(each => !each.IsHsm && each.Signer == name))];
        if (ending is not null && (unsigned.Exists(name => roles[name] is CeremonyRole.Administrator or CeremonyRole.Witness)
            || !(transcript.Signatures.Any(each => each.IsHsm) || HasNoHsm(transcript))))
        {
            findings.Add(TranscriptFinding.Unsigned);
        }
        return new TranscriptVerdict([.. findings], roles, unsigned, ending);
    }

    private static void JudgeSteps(IReadOnlyList<TranscriptEntry> entries, SortedDictionary<string, string> roles, string? ending, SortedSet<TranscriptFinding> findings)
    {
        string? open = null;
        DateTimeOffset before = DateTimeOffset.MinValue;
        foreach (TranscriptEntry entry in entries)
        {
            if (entry.Time < before)
            {
                findings.Add(TranscriptFinding.Time);
            }
            before = entry.Time;
            switch (entry.Type)
            {
                // A step that was interrupted begins again.
                case TranscriptEntryType.Begin when open is null || open == entry.Subject:
                    open = entry.Subject;
                    break;
                case TranscriptEntryType.Done when open == entry.Subject && AreTwo(entry.Text, roles):
                    open = null;
                    break;
                case TranscriptEntryType.Begin or TranscriptEntryType.Done:
                    findings.Add(TranscriptFinding.Steps);
                    open = entry.Type == TranscriptEntryType.Begin ? entry.Subject : null;
                    break;
            }
        }
        if (ending is not (null or Completed or Void or Postponed) || (ending == Completed && open is not null))
        {
            findings.Add(TranscriptFinding.Ending);
        }
    }

    private static bool AreTwo(string text, SortedDictionary<string, string> roles) =>
        text.Split(' ') is [var actor, var witness] && actor != witness && roles.ContainsKey(actor) && roles.ContainsKey(witness);

    private static void JudgeSignatures(Transcript transcript, SortedDictionary<string, string> roles, SortedSet<TranscriptFinding> findings)
    {
        foreach (TranscriptSignature signature in transcript.Signatures)
        {
            if (!transcript.Verifies(signature))
            {
                findings.Add(TranscriptFinding.WrongSignature);
            }
            if ((!signature.IsHsm && !roles.ContainsKey(signature.Signer))
                || transcript.Signatures.Any(other => other != signature && other.PublicKey.Span.SequenceEqual(signature.PublicKey.Span)))
            {
                findings.Add(TranscriptFinding.UnknownSigner);
            }
        }
    }

    private static bool HasNoHsm(Transcript transcript) => transcript.Entries.Any(each => each is { Type: TranscriptEntryType.Fact, Subject: WithoutHsm });
}
