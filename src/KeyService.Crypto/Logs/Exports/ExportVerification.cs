using System.Globalization;

namespace KeyService.Crypto.Logs;

/// <summary>
/// Verifies an export with nothing but keys, and what somebody kept elsewhere. docs/spec/audit-export.md. Every file is read once or twice,
/// in order; memory is that of one bundle and of the directory.
/// </summary>
public sealed class ExportVerification
{
    private readonly ExportContents _contents;
    private readonly ExportTrust _trust;
    private readonly Action<long> _progress;

    private LogNames? _names;
    private List<NoteVerifier> _keys = [];

    private ExportVerification(ExportFiles files, ExportTrust trust, Action<long>? progress)
    {
        _contents = new ExportContents(files);
        _trust = trust;
        _progress = progress ?? (_ => { });
    }

    /// <summary>Reads the whole export.</summary>
    /// <param name="progress">Gets the number of records that were read.</param>
    public static ExportReport Run(ExportFiles files, ExportTrust trust, Action<long>? progress = null) =>
        new ExportVerification(files, trust, progress).Run();

    private ExportReport Run()
    {
        if (!ReadKeys())
        {
            return new ExportReport(null, false, null, [], _contents.Findings);
        }
        bool pinned = _trust.Keys.Count > 0;
        SignedNote? note = ReadNote($"{ExportFiles.Directory}/{ExportFiles.Checkpoint}", _names!.Directory, out Checkpoint? top);
        if (top is null)
        {
            return new ExportReport(_names.Installation, pinned, null, [], _contents.Findings);
        }
        List<HeldCheckpoint> held = ReadHeld(note!, top);
        var directory = new DirectoryReading(_contents, top, [.. held.Where(each => each.Checkpoint.Origin == _names.Directory)]);
        directory.Read();
        VerifySuccession(directory, note!);
        var slots = new List<ExportedLog>();
        foreach (uint slot in directory.Slots)
        {
            if (ReadSlot(slot, directory, held) is { } log)
            {
                slots.Add(log);
            }
        }
        foreach (HeldCheckpoint other in held.Where(each => each.Checkpoint.Origin != _names.Directory && !slots.Exists(slot => slot.Origin == each.Checkpoint.Origin)))
        {
            _contents.Add(ExportFault.Truncated, ExportFiles.Directory, null, Invariant($"{other.What} covers {other.Checkpoint.Size} records of {other.Checkpoint.Origin}, and that log is not there"));
        }
        if (!directory.Whole)
        {
            // It does not say which slots there are.
            _contents.LeaveUnread("slot");
        }
        _contents.FindUnexpected();
        return new ExportReport(
            _names.Installation, pinned, new ExportedLog(_names.Directory, 0, top.Size, directory.HeldSize), slots, _contents.Findings);
    }

    private bool ReadKeys()
    {
        string? text = Take(ExportFiles.Keys) is { } bytes ? System.Text.Encoding.ASCII.GetString(bytes) : null;
        var keys = new List<NoteVerifier>();
        foreach (string line in text?.Split('\n')[..^1] ?? [])
        {
            if (!NoteVerifier.TryParse(line, out NoteVerifier? key) || key!.Algorithm != NoteAlgorithm.Ecdsa || (keys.Count > 0 && keys[0].Name != key.Name))
            {
                keys.Clear();
                break;
            }
            keys.Add(key);
        }
        if (keys.Count == 0 || text![^1] != '\n' || !LogNames.TryParse(keys[0].Name, out _names))
        {
            _contents.Add(text is null ? ExportFault.Missing : ExportFault.Malformed, ExportFiles.Keys, null, "there are no verifier keys of one installation");
            return false;
        }
        _keys = keys;
        return true;
    }

    // One of the keys in force signs, and whoever pinned an earlier one is led to it by the successions.
    private void VerifySuccession(DirectoryReading directory, SignedNote top)
    {
        IReadOnlyList<DirectoryEntry> successors = directory.Keys;
        if (!successors.Select(entry => entry.Value).SequenceEqual(_keys.Skip(1).Select(key => key.Key), KeyComparer.Instance))
        {
            _contents.Add(ExportFault.Forked, ExportFiles.Keys, null, "the keys are not those that the directory says signed one after another");
        }
        var inForce = new List<NoteVerifier> { _keys[0] };
        bool Retires(int number) => number > successors.Count || successors[number - 1].Kind == DirectoryEntryKind.Key;
        for (int number = 1; number < _keys.Count; number++)
        {
            string path = ExportFiles.Succession(number);
            SignedNote? note = ReadNote(path, _names!.Directory, out Checkpoint? checkpoint);
            if (checkpoint is not null && number <= successors.Count)
            {
                directory.Compare(path, checkpoint, directory.PlaceOf(successors[number - 1]));
                if (!Signed(note!, _names.Directory, inForce) || (Retires(number) && !Signed(note!, _names.Directory, [_keys[number]])))
                {
                    _contents.Add(ExportFault.Unsigned, path, null, Retires(number)
                        ? "the succession is not signed by the key before and the next one" : "the peer's key is not signed for by a key in force");
                }
            }
            if (Retires(number))
            {
                inForce.Clear();
            }
            inForce.Add(_keys[number]);
        }
        if (_trust.Keys.Count > 0 && !_keys.Exists(key => _trust.Keys.Any(given => given.Key.Span.SequenceEqual(key.Key.Span))))
        {
            _contents.Add(ExportFault.Unsigned, ExportFiles.Keys, null, "none of the keys of this export is one that was given");
        }
        if (!Signed(top, _names!.Directory, inForce))
        {
            _contents.Add(ExportFault.Unsigned, $"{ExportFiles.Directory}/{ExportFiles.Checkpoint}", null, "the checkpoint is not signed by a key in force");
        }
    }

    private ExportedLog? ReadSlot(uint slot, DirectoryReading directory, IReadOnlyList<HeldCheckpoint> held)
    {
        string folder = ExportFiles.Slot(slot);
        IReadOnlyList<LogMark> marks = directory.MarksOf(slot);
        if (marks[^1].Size == 0 && !held.Any(each => each.Checkpoint.Origin == _names!.Slot(slot)))
        {
            return new ExportedLog(_names!.Slot(slot), 0, 0, 0);
        }
        SignedNote? note = ReadNote($"{folder}/{ExportFiles.Checkpoint}", _names!.Slot(slot), out Checkpoint? checkpoint);
        if (checkpoint is null)
        {
            _contents.LeaveUnread(folder);
            return null;
        }
        if (!Signed(note!, _names.Slot(slot), _keys))
        {
            _contents.Add(ExportFault.Unsigned, $"{folder}/{ExportFiles.Checkpoint}", null, "the checkpoint is not signed by a key of this log");
        }
        // A directory that is not whole tells nothing of the slots; each is held to its own checkpoint then.
        if (directory.Whole && checkpoint.Size != marks[^1].Size)
        {
            _contents.Add(ExportFault.Forked, $"{folder}/{ExportFiles.Checkpoint}", null, Invariant($"the checkpoint is of {checkpoint.Size} records, and the directory's last entry says {marks[^1].Size}"));
        }
        var before = new MerkleFrontier();
        string start = $"{folder}/{ExportFiles.Start}";
        if (Take(start) is { } bytes && (!ExportStart.TryParse(bytes, out before) || before.Size > checkpoint.Size))
        {
            _contents.Add(ExportFault.Malformed, start, null, "it does not say where the records begin");
            _contents.LeaveUnread(folder);
            return null;
        }
        var own = held.Where(each => each.Checkpoint.Origin == _names.Slot(slot)).ToList();
        var expected = new List<LogMark>(directory.Whole ? marks : []);
        expected.AddRange(own.Select(each => new LogMark(each.Checkpoint.Size, each.Checkpoint.Root, each.What)));
        expected.Add(new LogMark(checkpoint.Size, checkpoint.Root, "the signed checkpoint"));
        new LogReading(_contents, folder, before, checkpoint, expected, new RecordPlaces(slot), _progress).Read();
        long heldSize = own.Select(each => each.Checkpoint.Size).Append(directory.HeldSizeOf(slot)).Max();
        return new ExportedLog(_names.Slot(slot), before.Size, checkpoint.Size, Math.Min(heldSize, checkpoint.Size));
    }

    // What was kept elsewhere, and what witnesses vouch for.
    private List<HeldCheckpoint> ReadHeld(SignedNote top, Checkpoint checkpoint)
    {
        var held = new List<HeldCheckpoint>();
        foreach (SignedNote note in _trust.Held)
        {
            if (!Checkpoint.TryParse(note.Text, out Checkpoint? parsed) || !_keys.Concat(_trust.Keys).Any(key => key.Named(parsed!.Origin).Signed(note)))
            {
                _contents.Add(ExportFault.Unsigned, ExportFiles.Keys, null, "a checkpoint that was given is not signed by a key of this log");
            }
            else if (parsed!.Origin != _names!.Directory && !parsed.Origin.StartsWith(_names.Installation + "/slot/", StringComparison.Ordinal))
            {
                _contents.Add(ExportFault.Forked, ExportFiles.Keys, null, "a checkpoint that was given is another installation's");
            }
            else
            {
                held.Add(new HeldCheckpoint(parsed, "the checkpoint held elsewhere"));
            }
        }
        string path = $"{ExportFiles.Directory}/{ExportFiles.Witnessed}";
        SignedNote? witnessed = null;
        Checkpoint? seen = null;
        if (_contents.Read(path) is not null)
        {
            witnessed = ReadNote(path, _names!.Directory, out seen);
            if (witnessed is not null && !_keys.Exists(key => key.Named(_names.Directory).Signed(witnessed)))
            {
                _contents.Add(ExportFault.Unsigned, path, null, "the checkpoint is not signed by a key of this log");
            }
        }
        if (_trust.Policy is { } policy)
        {
            Checkpoint[] vouched = [.. new[] { (top, checkpoint), (witnessed, seen) }
                .Where(each => each.Item1 is not null && each.Item2 is not null && policy.Satisfied(each.Item1)).Select(each => each.Item2!)];
            held.AddRange(vouched.Select(each => new HeldCheckpoint(each, "the checkpoint that witnesses cosigned")));
            if (vouched.Length == 0)
            {
                _contents.Add(ExportFault.Unwitnessed, ExportFiles.Directory, null, "no checkpoint has the cosignatures that the policy demands");
            }
        }
        if (seen is not null)
        {
            // Whoever it convinces, its history must be this one.
            held.Add(new HeldCheckpoint(seen, "the cosigned checkpoint of the export", Vouches: false));
        }
        return held;
    }

    private SignedNote? ReadNote(string path, string origin, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        if (Take(path) is not { } bytes)
        {
            _contents.Add(ExportFault.Missing, path, null, "the checkpoint is missing");
            return null;
        }
        if (!SignedNote.TryParse(bytes, out SignedNote? note) || !Checkpoint.TryParse(note!.Text, out checkpoint)
            || checkpoint!.Origin != origin || checkpoint.Extensions.Count > 0)
        {
            checkpoint = null;
            _contents.Add(ExportFault.Malformed, path, null, $"it is no checkpoint of {origin}");
            return null;
        }
        return note;
    }

    private static bool Signed(SignedNote note, string origin, IEnumerable<NoteVerifier> keys) => keys.Any(key => key.Named(origin).Signed(note));

    private byte[]? Take(string path)
    {
        _contents.Know(path);
        return _contents.Read(path);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class KeyComparer : IEqualityComparer<ReadOnlyMemory<byte>>
    {
        public static KeyComparer Instance { get; } = new();

        public bool Equals(ReadOnlyMemory<byte> x, ReadOnlyMemory<byte> y) => x.Span.SequenceEqual(y.Span);

        public int GetHashCode(ReadOnlyMemory<byte> obj) => obj.Length;
    }
}
