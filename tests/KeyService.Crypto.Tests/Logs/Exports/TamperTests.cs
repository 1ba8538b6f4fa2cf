using System.Security.Cryptography;
using KeyService.Crypto.Logs;

namespace KeyService.Tests.Logs;

/// <summary>
/// Each record and each entry of a small log edited, dropped, doubled, swapped, inserted, replaced and cut off, at every position, by hands
/// of every strength. What docs/spec/audit-export.md says is found is found; what it says is unproven is reported as unproven.
/// </summary>
public sealed class TamperTests
{
    private const int Count = 13;

    // The directory's entries at the checkpoint that somebody holds; slot 0 had eight records then.
    private const int HeldEntries = 4;
    private const int HeldRecords = 8;

    public enum Change
    {
        EditOneByte,
        EditCarefully,
        Drop,
        Double,
        SwapWithNext,
        InsertForeign,
        ReplaceByForeign,
        CutOffFromHere,
    }

    /// <summary>What a hand can write beside the records.</summary>
    public enum Hand
    {
        Records,
        RecordsAndTiles,

        /// <summary>And signs with a key of its own.</summary>
        OwnKey,
    }

    public static TheoryData<Change, Hand> Changes
    {
        get
        {
            var data = new TheoryData<Change, Hand>();
            foreach (Change change in Enum.GetValues<Change>())
            {
                foreach (Hand hand in Enum.GetValues<Hand>())
                {
                    data.Add(change, hand);
                }
            }
            return data;
        }
    }

    [Fact]
    public void An_export_that_nobody_touched_is_consistent_and_says_that_completeness_is_not_proven()
    {
        SampleExport export = SampleExport.Of(Count);
        ExportReport report = ExportVerification.Run(export.AsFiles, new ExportTrust([export.Verifier], [], null));
        Assert.Empty(report.Findings);
        Assert.Equal("consistent; completeness not proven", report.Verdict);
        Assert.Equal([(0L, 13L, 0L), (0L, 3L, 0L)], report.Slots.Select(log => (log.Start, log.Size, log.HeldSize)));
        Assert.True(report.Pinned);
        Assert.False(ExportVerification.Run(export.AsFiles, new ExportTrust([], [], null)).Pinned);
    }

    [Fact]
    public void A_checkpoint_held_elsewhere_says_up_to_where_nothing_is_missing()
    {
        SampleExport export = SampleExport.Of(Count);
        ExportReport report = Verify(export, held: HeldEntries);
        Assert.Equal("consistent; completeness not proven", report.Verdict);
        Assert.Equal([(13L, 8L), (3L, 0L)], report.Slots.Select(log => (log.Size, log.HeldSize)));
        Assert.Equal(HeldEntries, report.Directory!.HeldSize);

        report = Verify(export, held: export.Entries.Count);
        Assert.Equal("consistent; complete up to the checkpoint held elsewhere", report.Verdict);
        Assert.True(report.Covered);
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void What_is_done_to_a_record_is_found(Change change, Hand hand)
    {
        foreach (int count in new[] { Count, 258 })
        {
            foreach (int at in count == Count ? Enumerable.Range(0, Count) : [254, 255, 256, 257])
            {
                SampleExport export = SampleExport.Of(count);
                if (Apply(change, SampleExport.Records(0, count), at, SampleExport.RecordOf(0, 100, "foreign")) is not { } records)
                {
                    continue;
                }
                NoteVerifier pinned = export.Verifier;
                if (hand == Hand.OwnKey)
                {
                    using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                    export = SampleExport.Of(records, [records.Count], own);
                }
                else
                {
                    export.Rewrite("slot/0", records, careful: hand == Hand.RecordsAndTiles);
                }
                ExportReport report = ExportVerification.Run(export.AsFiles, new ExportTrust([pinned], [], null));
                Assert.True(report.Findings.Count > 0, $"{change} by {hand} at {at} of {count} was not found");
                Assert.Equal("not consistent", report.Verdict);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void What_is_done_to_an_entry_of_the_directory_is_found(Change change, Hand hand)
    {
        int count = SampleExport.Of(Count).Entries.Count;
        for (int at = 0; at < count; at++)
        {
            SampleExport export = SampleExport.Of(Count);
            byte[] foreign = DirectoryEntry.Of(DirectoryEntryKind.Checkpoint, 5, 0, 4, SampleExport.TreeOf(SampleExport.Records(0, 4, "foreign")).Root(4)).Encode();
            if (Apply(change, export.Entries, at, foreign) is not { } entries)
            {
                continue;
            }
            NoteVerifier pinned = export.Verifier;
            if (hand == Hand.OwnKey)
            {
                using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                export = SampleExport.Of(Count, own);
                export.Rewrite("directory", [], careful: true);
                export.WriteDirectory(entries);
            }
            else
            {
                export.Rewrite("directory", entries, careful: hand == Hand.RecordsAndTiles);
            }
            ExportReport report = ExportVerification.Run(export.AsFiles, new ExportTrust([pinned], [], null));
            Assert.True(report.Findings.Count > 0, $"{change} by {hand} at entry {at} was not found");
        }
    }

    /// <summary>Who holds the HSM writes and signs another history: nothing of it can be found in the export alone, and all of it below what somebody holds.</summary>
    [Theory]
    [InlineData(Change.EditCarefully)]
    [InlineData(Change.Drop)]
    [InlineData(Change.Double)]
    [InlineData(Change.SwapWithNext)]
    [InlineData(Change.InsertForeign)]
    [InlineData(Change.ReplaceByForeign)]
    [InlineData(Change.CutOffFromHere)]
    public void Another_history_signed_by_the_HSM_is_found_below_what_is_held_and_unproven_above(Change change)
    {
        SampleExport honest = SampleExport.Of([.. Enumerable.Range(0, Count).Select(i => Numbered(i, $"record {i}"))], [4, 8, 12, 13]);
        SignedNote held = honest.DirectoryNote(HeldEntries);
        for (int at = 0; at < Count; at++)
        {
            if (Apply(change, [.. Enumerable.Range(0, Count).Select(i => $"record {i}")], at, "foreign", (text, _) => $"edited {text}") is not { } details)
            {
                continue;
            }
            // Renumbered, so that every record says of itself what its place says.
            List<byte[]> records = [.. details.Select((detail, i) => Numbered(i, detail))];
            List<int> signed = [.. Enumerable.Range(1, records.Count).Where(size => size % 4 == 0 || size == records.Count)];
            SampleExport fork = SampleExport.Of(records, signed);
            Assert.Equal("consistent; completeness not proven", ExportVerification.Run(fork.AsFiles, new ExportTrust([honest.Verifier], [], null)).Verdict);

            ExportReport report = ExportVerification.Run(fork.AsFiles, new ExportTrust([honest.Verifier], [held], null));
            bool below = at < HeldRecords && !records.Take(HeldRecords).SequenceEqual(Enumerable.Range(0, HeldRecords).Select(i => Numbered(i, $"record {i}")), Bytes.Instance);
            Assert.True(report.Consistent != below, $"{change} at {at}: {string.Join("; ", report.Findings)}");
            Assert.Equal(below ? "not consistent" : "consistent; completeness not proven", report.Verdict);
            if (below)
            {
                Assert.Contains(report.Findings, finding => finding.Fault is ExportFault.Forked or ExportFault.Truncated);
            }
        }
    }

    [Fact]
    public void A_log_cut_off_at_an_earlier_checkpoint_of_its_own_is_unproven_alone_and_found_against_a_later_one()
    {
        SampleExport whole = SampleExport.Of(Count);
        for (int entries = 3; entries <= whole.Entries.Count; entries++)
        {
            // Everything in it is genuine.
            var cut = SampleExport.Of(SampleExport.Records(0, entries >= 6 ? Count : 4 * (entries - 2)), []);
            cut.Files.Clear();
            List<byte[]> directory = whole.Entries[..entries];
            int records = entries >= 6 ? Count : 4 * (entries - 2);
            cut.WriteSlot(0, SampleExport.Records(0, records));
            if (entries > 6)
            {
                cut.WriteSlot(1, SampleExport.Records(1, 3));
            }
            cut.WriteDirectory(directory);
            Assert.Equal("consistent; completeness not proven", ExportVerification.Run(cut.AsFiles, new ExportTrust([whole.Verifier], [], null)).Verdict);
            for (int held = 1; held <= whole.Entries.Count; held++)
            {
                ExportReport report = ExportVerification.Run(cut.AsFiles, new ExportTrust([whole.Verifier], [whole.DirectoryNote(held)], null));
                Assert.Equal(held <= entries, report.Consistent);
                if (held > entries)
                {
                    Assert.Contains(report.Findings, finding => finding.Fault == ExportFault.Truncated);
                }
            }
        }
    }

    [Fact]
    public void A_held_checkpoint_of_a_slot_does_as_well()
    {
        SampleExport export = SampleExport.Of(Count);
        byte[] root = SampleExport.TreeOf(SampleExport.Records(0, Count)).Root(7);
        ExportReport report = Verify(export, SampleExport.Sign(SampleExport.Names.Slot(0), 7, root, SampleExport.Hsm));
        Assert.Empty(report.Findings);
        Assert.Equal([7L, 0L], report.Slots.Select(log => log.HeldSize));

        root[5] ^= 1;
        Assert.Equal(ExportFault.Forked, Assert.Single(Verify(export, SampleExport.Sign(SampleExport.Names.Slot(0), 7, root, SampleExport.Hsm)).Findings).Fault);
        Assert.Equal(ExportFault.Truncated, Assert.Single(Verify(export, SampleExport.Sign(SampleExport.Names.Slot(0), 14, root, SampleExport.Hsm)).Findings).Fault);
        Assert.Equal(ExportFault.Truncated, Assert.Single(Verify(export, SampleExport.Sign(SampleExport.Names.Slot(9), 1, root, SampleExport.Hsm)).Findings).Fault);
    }

    [Fact]
    public void A_held_checkpoint_of_somebody_else_is_no_proof()
    {
        SampleExport export = SampleExport.Of(Count);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] root = SampleExport.TreeOf(export.Entries).Root(4);
        Assert.Equal(ExportFault.Unsigned, Assert.Single(Verify(export, SampleExport.Sign(SampleExport.Names.Directory, 4, root, other)).Findings).Fault);
        Assert.Equal(ExportFault.Forked, Assert.Single(Verify(export, SampleExport.Sign("another/log", 4, root, SampleExport.Hsm)).Findings).Fault);
    }

    [Fact]
    public void Every_changed_bit_of_every_file_is_found()
    {
        SampleExport export = SampleExport.Of(5);
        foreach ((string path, byte[] bytes) in export.Files.ToList())
        {
            for (int bit = 0; bit < 8 * bytes.Length; bit += 7)
            {
                byte[] changed = [.. bytes];
                changed[bit / 8] ^= (byte)(1 << (bit % 8));
                export.Files[path] = changed;
                Assert.True(Verify(export).Findings.Count > 0, $"bit {bit} of {path}");
            }
            export.Files[path] = bytes;
        }
        Assert.Empty(Verify(export).Findings);
    }

    [Fact]
    public void Every_file_that_is_missing_is_found_and_every_one_too_many()
    {
        SampleExport export = SampleExport.Of(258);
        foreach ((string path, byte[] bytes) in export.Files.ToList())
        {
            export.Files.Remove(path);
            Assert.True(Verify(export).Findings.Count > 0, $"without {path}");
            export.Files[path] = bytes;
        }
        foreach (string path in new[] { "slot/0/tile/records/001", "slot/0/tile/records/001.p/3", "slot/7/checkpoint", "slot/0/tile/0/002", "directory/tile/1/000.p/1", "begun", "slot/0/start" })
        {
            export.Files[path] = [1];
            Assert.True(Verify(export).Findings.Count > 0, $"with {path}");
            export.Files.Remove(path);
        }
        Assert.Empty(Verify(export).Findings);
    }

    [Fact]
    public void A_finding_says_which_record_it_is_about()
    {
        SampleExport export = SampleExport.Of(Count);
        List<byte[]> records = SampleExport.Records(0, Count);
        records[6] = SampleExport.RecordOf(0, 6, "edited");
        export.Rewrite("slot/0", records, careful: false);
        Assert.Equal((ExportFault.Edited, 6L), Assert.Single(Verify(export).Findings.Select(finding => (finding.Fault, finding.Sequence!.Value))));

        // Whoever changes the tiles as well is found between two checkpoints.
        export.Rewrite("slot/0", records, careful: true);
        Assert.Equal((ExportFault.Forked, 4L), Assert.Single(Verify(export).Findings.Select(finding => (finding.Fault, finding.Sequence!.Value))));

        export = SampleExport.Of(Count);
        export.Rewrite("slot/0", [.. SampleExport.Records(0, Count).Where((_, i) => i != 3)], careful: false);
        Assert.Equal((ExportFault.Missing, 3L), Assert.Single(Verify(export).Findings.Select(finding => (finding.Fault, finding.Sequence!.Value))));

        (records = SampleExport.Records(0, Count)).Insert(9, SampleExport.RecordOf(1, 2));
        export.Rewrite("slot/0", records, careful: false);
        Assert.Equal((ExportFault.Misplaced, 9L), Verify(export).Findings.Where(finding => finding.Sequence is not null).Select(finding => (finding.Fault, finding.Sequence!.Value)).First());
    }

    [Fact]
    public void An_export_that_begins_later_is_verified_from_there_on()
    {
        List<byte[]> records = SampleExport.Records(0, 600);
        SampleExport export = SampleExport.Of(records, [100, 256, 300, 512, 600]);
        foreach (string path in export.Files.Keys.Where(path => path.StartsWith("slot/0/", StringComparison.Ordinal)).ToList())
        {
            export.Files.Remove(path);
        }
        export.WriteSlot(0, records, start: 256);
        ExportReport report = Verify(export, held: export.Entries.Count);
        Assert.Empty(report.Findings);
        Assert.Equal((256L, 600L, 600L), (report.Slots[0].Start, report.Slots[0].Size, report.Slots[0].HeldSize));

        byte[] start = export.Files["slot/0/start"];
        for (int i = 0; i < start.Length; i++)
        {
            export.Files["slot/0/start"] = [.. start[..i], (byte)(start[i] ^ 1), .. start[(i + 1)..]];
            Assert.True(Verify(export).Findings.Count > 0, $"byte {i} of start");
        }
        export.Files["slot/0/start"] = start;
        foreach (int at in new[] { 256, 299, 300, 511, 512, 599 })
        {
            List<byte[]> edited = [.. records];
            edited[at] = SampleExport.RecordOf(0, at, "edited");
            byte[] checkpoint = export.Files["slot/0/checkpoint"];
            export.WriteSlot(0, edited, start: 256);
            export.Files["slot/0/checkpoint"] = checkpoint;
            ExportFinding found = Assert.Single(Verify(export).Findings);
            Assert.Equal(ExportFault.Forked, found.Fault);
            Assert.InRange(at, found.Sequence!.Value, found.Sequence.Value + 299);
        }
    }

    [Fact]
    public void A_checkpoint_that_claims_more_than_there_can_be_ends_the_reading()
    {
        SampleExport export = SampleExport.Of(Count);
        export.Files["directory/checkpoint"] = SampleExport.Sign(SampleExport.Names.Directory, long.MaxValue, new byte[32], SampleExport.Hsm).ToArray();
        Assert.Contains(Verify(export).Findings, finding => finding.Fault == ExportFault.Missing);
    }

    private static ExportReport Verify(SampleExport export, int held) => Verify(export, export.DirectoryNote(held));

    private static ExportReport Verify(SampleExport export, params SignedNote[] held) => ExportVerification.Run(export.AsFiles, new ExportTrust([export.Verifier], held, null));

    private static byte[] Numbered(int number, string detail) => SampleExport.RecordOf(0, number, detail + " at");

    private static List<byte[]>? Apply(Change change, IReadOnlyList<byte[]> entries, int at, byte[] foreign) => Apply(change, entries, at, foreign, (entry, careful) =>
    {
        byte[] edited = [.. entry];
        // The last byte of a detail or a root; a careful hand keeps the record canonical, and changes a digit.
        edited[^1] ^= careful ? (byte)1 : (byte)0x80;
        return edited;
    });

    // Null where the change leaves everything as it was.
    private static List<T>? Apply<T>(Change change, IReadOnlyList<T> entries, int at, T foreign, Func<T, bool, T> edit)
    {
        List<T> changed = [.. entries];
        switch (change)
        {
            case Change.EditOneByte or Change.EditCarefully:
                changed[at] = edit(changed[at], change == Change.EditCarefully);
                break;
            case Change.Drop:
                changed.RemoveAt(at);
                break;
            case Change.Double:
                changed.Insert(at, changed[at]);
                break;
            case Change.SwapWithNext when at + 1 < changed.Count:
                (changed[at], changed[at + 1]) = (changed[at + 1], changed[at]);
                break;
            case Change.InsertForeign:
                changed.Insert(at, foreign);
                break;
            case Change.ReplaceByForeign:
                changed[at] = foreign;
                break;
            case Change.CutOffFromHere when at > 0:
                changed.RemoveRange(at, changed.Count - at);
                break;
            default:
                return null;
        }
        return changed;
    }

    private sealed class Bytes : IEqualityComparer<byte[]>
    {
        public static Bytes Instance { get; } = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => obj.Length;
    }
}
