using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Logs;

/// <summary>
/// Which witnesses' cosignatures are enough (C2SP tlog-policy): lines <c>log VKEY [URL]</c>, <c>witness NAME VKEY [URL]</c>,
/// <c>group NAME all|any|K NAME…</c> and one <c>quorum NAME|none</c>; names stand for what lines above them define.
/// </summary>
public sealed class WitnessPolicy
{
    /// <summary>Bytes of a policy at most.</summary>
    public const int MaxLength = 65_536;

    private const string None = "none";

    private readonly List<NoteVerifier> _logs = [];
    private readonly List<NoteVerifier> _witnesses = [];
    private readonly Dictionary<string, Func<IReadOnlySet<uint>, bool>> _names = [];
    private readonly HashSet<string> _members = [];
    private Func<IReadOnlySet<uint>, bool>? _quorum;

    private WitnessPolicy()
    {
    }

    /// <summary>Keys of logs that the policy is about; may be empty.</summary>
    public IReadOnlyList<NoteVerifier> Logs => _logs;

    /// <summary>Keys of all witnesses.</summary>
    public IReadOnlyList<NoteVerifier> Witnesses => _witnesses;

    /// <summary>Whether enough witnesses cosigned. A line of a known witness that does not verify spoils the note.</summary>
    public bool Satisfied(SignedNote note)
    {
        NoteVerifier[] named = [.. _witnesses.Where(witness => note.Signatures.Any(witness.Names))];
        return named.All(witness => witness.Signed(note)) && _quorum!(named.Select(witness => witness.Id).ToHashSet());
    }

    /// <summary>When the latest of the witnesses that cosigned did so; null when none did.</summary>
    public DateTimeOffset? TimeOf(SignedNote note) => note.Signatures
        .Where(signature => _witnesses.Any(witness => witness.Verifies(note, signature)))
        .Select(signature => (DateTimeOffset?)Cosignature.TimeOf(signature))
        .Max();

    /// <summary>Reads a policy; <paramref name="fault"/> says what is wrong with it.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out WitnessPolicy? policy, out string fault)
    {
        policy = null;
        if (bytes.Length > MaxLength || HasControl(bytes))
        {
            fault = "it is too long or holds control characters";
            return false;
        }
        var parsed = new WitnessPolicy();
        // A character an octet: names are opaque.
        string[] lines = Encoding.Latin1.GetString(bytes).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string[] items = lines[i].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (items.Length > 0 && items[0][0] != '#' && parsed.Take(items) is { } wrong)
            {
                fault = string.Create(CultureInfo.InvariantCulture, $"line {i + 1}: {wrong}");
                return false;
            }
        }
        fault = parsed._quorum is null ? "it has no quorum line" : "";
        policy = parsed._quorum is null ? null : parsed;
        return policy is not null;
    }

    private static bool HasControl(ReadOnlySpan<byte> bytes)
    {
        foreach (byte each in bytes)
        {
            if (each is < 0x20 and not (byte)'\n' and not (byte)'\t' or 0x7f)
            {
                return true;
            }
        }
        return false;
    }

    // What is wrong with the line; null when it is right.
    private string? Take(string[] items) => items[0] switch
    {
        "log" when items.Length is 2 or 3 => TakeLog(items[1]),
        "witness" when items.Length is 3 or 4 => TakeWitness(items[1], items[2]),
        "group" when items.Length >= 4 => TakeGroup(items[1], items[2], items[3..]),
        "quorum" when items.Length == 2 => TakeQuorum(items[1]),
        _ => "it is no line of a policy",
    };

    private string? TakeLog(string vkey)
    {
        if (!TryParseKey(vkey, out NoteVerifier? key) || key!.Algorithm == NoteAlgorithm.Cosignature)
        {
            return "the log's key is no vkey";
        }
        if (Has(_logs, key))
        {
            return "the log stands there twice";
        }
        _logs.Add(key);
        return null;
    }

    private string? TakeWitness(string name, string vkey)
    {
        if (!TryParseKey(vkey, out NoteVerifier? key) || key!.Algorithm != NoteAlgorithm.Cosignature)
        {
            return "the witness's key is no vkey of type 04";
        }
        if (Has(_witnesses, key) || _witnesses.Exists(other => other.Id == key.Id))
        {
            return "the witness stands there twice";
        }
        _witnesses.Add(key);
        return Define(name, signed => signed.Contains(key.Id));
    }

    private string? TakeGroup(string name, string threshold, string[] members)
    {
        // A witness counts in one way only.
        if (!members.All(member => _names.ContainsKey(member) && _members.Add(member)))
        {
            return "a member is not defined above, or is one already";
        }
        long needed = threshold switch { "any" => 1, "all" => members.Length, _ => Checkpoint.TryParseNumber(threshold, out long k) ? k : 0 };
        if (needed < 1 || needed > members.Length)
        {
            return "the number of members is none that can be reached";
        }
        Func<IReadOnlySet<uint>, bool>[] rules = [.. members.Select(member => _names[member])];
        return Define(name, signed => rules.Count(rule => rule(signed)) >= needed);
    }

    private string? TakeQuorum(string name)
    {
        if (_quorum is not null)
        {
            return "there is a second quorum";
        }
        _quorum = name == None ? _ => true : _names.GetValueOrDefault(name);
        return _quorum is null ? "the quorum is not defined above" : null;
    }

    private string? Define(string name, Func<IReadOnlySet<uint>, bool> rule) =>
        name != None && _names.TryAdd(name, rule) ? null : "the name is taken";

    private static bool TryParseKey(string octets, out NoteVerifier? key) =>
        NoteVerifier.TryParse(Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(octets)), out key);

    private static bool Has(List<NoteVerifier> keys, NoteVerifier key) => keys.Exists(other => other.Key.Span.SequenceEqual(key.Key.Span));
}
