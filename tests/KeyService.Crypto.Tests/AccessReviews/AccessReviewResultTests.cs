using System.Text;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Logs;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.AccessReviews;

/// <summary>docs/spec/access-review.md.</summary>
public sealed class AccessReviewResultTests
{
    private const string File = "access-review.json";

    private static NoteVerifier Key => NoteVerifier.TryParse(Vectors.Load(File)["key"]!.GetValue<string>(), out NoteVerifier? key) ? key! : throw new InvalidOperationException();

    private static byte[] First => Vectors.List(File, "results")[0].Bytes("note");

    [Fact]
    public void Results_parse_are_written_again_and_verify_when_nothing_was_changed()
    {
        foreach (var vector in Vectors.List(File, "results"))
        {
            Assert.True(AccessReviewResult.TryRead(vector.Bytes("note"), out SignedNote? note, out AccessReviewResult? result), vector.Text("name"));
            Assert.Equal(note!.Text, result!.ToString());
            Assert.Equal(vector.Bytes("note"), note.ToArray());
            Assert.Equal(vector["verifies"]!.GetValue<bool>(), Key.Signed(note));
            var again = new AccessReviewResult(
                result.Installation.Span, result.Id, result.StartedBy, result.StartTime, result.DueTime, result.CloseTime, result.ClosedBy, result.RosterSha256.Span,
                result.Entries.Reverse());
            Assert.Equal(note.Text, again.ToString());
        }
    }

    [Fact]
    public void What_is_written_otherwise_is_none()
    {
        foreach (var vector in Vectors.List(File, "notResults"))
        {
            Assert.False(AccessReviewResult.TryParse(Encoding.UTF8.GetString(vector.Bytes("text")), out AccessReviewResult? result), vector.Text("name"));
            Assert.Null(result);
        }
    }

    [Fact]
    public void A_result_says_what_stands_in_it()
    {
        Assert.True(AccessReviewResult.TryRead(First, out _, out AccessReviewResult? result));
        Assert.Equal(("00c4e6b1a2d3f405", "alice", ""), (result!.IdText, result.StartedBy, result.ClosedBy));
        Assert.Equal(new DateTimeOffset(2026, 12, 13, 15, 0, 4, TimeSpan.Zero), result.CloseTime);
        Assert.Equal(Key.Name, result.Origin);
        AccessReviewEntry zoe = result.Entries[^1];
        Assert.Equal(("zoe", "person", "dave", "left", AccessReviewWords.Suspend), (zoe.Principal, zoe.Type, zoe.Manager, zoe.Finding, zoe.Verdict));
        Assert.StartsWith("left on 1 December", zoe.Note, StringComparison.Ordinal);
        Assert.Equal(("", "", 0), (result.Entries[1].Manager, result.Entries[3].Finding, result.Entries[5].AccessDigest.Length));
    }

    /// <summary>One bit anywhere: not a note, not a result, or not signed.</summary>
    [Fact]
    public void A_note_that_differs_in_one_bit_is_not_verified()
    {
        byte[] note = First;
        for (int i = 0; i < note.Length; i++)
        {
            byte[] changed = [.. note];
            changed[i] ^= (byte)(1 << (i % 7));
            Assert.False(AccessReviewResult.TryRead(changed, out SignedNote? other, out _) && Key.Signed(other!), $"byte {i}");
        }
    }

    [Fact]
    public void A_text_cut_off_anywhere_is_none()
    {
        Assert.True(SignedNote.TryParse(First, out SignedNote? note));
        for (int i = 0; i < note!.Text.Length; i++)
        {
            Assert.False(AccessReviewResult.TryParse(note.Text[..i], out _));
        }
    }

    [Fact]
    public void The_most_principals_with_the_longest_fields_fit_a_message()
    {
        var start = new DateTimeOffset(2026, 11, 29, 15, 0, 0, TimeSpan.Zero);
        AccessReviewResult Of(int count) => new(
            new byte[16], 1, new string('a', 64), start, start.AddDays(1), start.AddDays(1), new string('c', 64), new byte[32],
            Enumerable.Range(0, count).Select(i => new AccessReviewEntry(
                $"{new string('p', 60)}{i:0000}", "ai-system", new string('m', 64), "manager-started-review", AccessReviewWords.Suspend, start, new byte[32], new string('ä', 256))));
        Assert.True(Encoding.UTF8.GetByteCount(Of(AccessReviewResult.MaxPrincipals).ToString()) < AccessReviewResult.MaxLength - 65_536);
        Assert.Throws<ArgumentException>(() => Of(AccessReviewResult.MaxPrincipals + 1));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("x", true)]
    [InlineData("a\tb", false)]
    [InlineData("Prüfung – ok", true)]
    public void A_note_is_text_of_one_line(string text, bool isNote) => Assert.Equal(isNote, AccessReviewEntry.IsNote(text));

    [Fact]
    public void Half_a_character_is_no_text() => Assert.False(AccessReviewEntry.IsNote(new string('\ud800', 1)));
}
