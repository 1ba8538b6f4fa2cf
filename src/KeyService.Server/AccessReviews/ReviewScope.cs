using System.Text;
using KeyService.Server.Access;

namespace KeyService.Server.AccessReviews;

/// <summary>A line of the personnel office's list, as the caller sent it.</summary>
/// <param name="Manager">Empty when the list names none.</param>
internal sealed record RosterLine(string Principal, string Manager, DateTimeOffset? LeftTime);

/// <summary>Somebody who is in a review, and what the list said of it when it was started.</summary>
/// <param name="Manager">Empty: nobody can attest it until it is given to somebody.</param>
internal sealed record ScopeEntry(string Principal, PrincipalType Type, string Manager, ReviewFinding Finding);

/// <summary>
/// Who is in a review: fixed when it starts, one text in the review's row (docs/spec/access-review.md). One record of the log holds the changes of some 600
/// rows, so a row for each principal could not be written in one change; a row comes with what is done about it.
/// </summary>
internal sealed class ReviewScope
{
    private const string Absent = "-";

    private readonly Dictionary<string, ScopeEntry> _byName;

    public ReviewScope(IEnumerable<ScopeEntry> entries)
    {
        Entries = [.. entries.OrderBy(each => each.Principal, StringComparer.Ordinal)];
        _byName = Entries.ToDictionary(each => each.Principal, StringComparer.Ordinal);
    }

    /// <summary>By name, ordinally.</summary>
    public IReadOnlyList<ScopeEntry> Entries { get; }

    /// <summary>Null for who is not in it.</summary>
    public ScopeEntry? Find(string principal) => _byName.GetValueOrDefault(principal);

    /// <summary>Every active principal, held against the list.</summary>
    /// <param name="startedBy">Who starts the review: the manager of nobody.</param>
    /// <param name="now">Who leaves later than this is still here.</param>
    public static ReviewScope Of(AccessSnapshot snapshot, IEnumerable<RosterLine> roster, string startedBy, DateTimeOffset now)
    {
        var listed = roster.ToDictionary(line => line.Principal, StringComparer.Ordinal);
        return new ReviewScope(snapshot.Principals.Values.Where(each => !each.Disabled).Select(principal =>
        {
            var line = listed.GetValueOrDefault(principal.Name);
            var objection = line is null ? ReviewFinding.Orphan : ObjectionTo(line, snapshot, startedBy);
            var finding = line?.LeftTime <= now ? ReviewFinding.Left : objection;
            return new ScopeEntry(principal.Name, principal.Type, objection == ReviewFinding.None ? line!.Manager : "", finding);
        }));
    }

    /// <summary>Of a verified row.</summary>
    /// <exception cref="FormatException">It is no text that <see cref="ToString"/> gives.</exception>
    public static ReviewScope Parse(string text)
    {
        var entries = new List<ScopeEntry>();
        foreach (var line in text.Split('\n')[..^1])
        {
            if (line.Split(' ') is not [var principal, var type, var manager, var finding]
                || Enum.GetValues<PrincipalType>().FirstOrDefault(each => PrincipalTypes.NameOf(each) == type) is not (not 0 and var known)
                || !ReviewFindings.TryParseField(finding, out var found))
            {
                throw new FormatException($"\"{line}\" says nothing of a principal that this version knows.");
            }

            entries.Add(new ScopeEntry(principal, known, manager == Absent ? "" : manager, found));
        }

        return new ReviewScope(entries);
    }

    /// <summary>A line each: name, type, manager or a dash, finding or a dash.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var entry in Entries)
        {
            text.Append(entry.Principal).Append(' ').Append(PrincipalTypes.NameOf(entry.Type)).Append(' ')
                .Append(entry.Manager.Length == 0 ? Absent : entry.Manager).Append(' ').Append(ReviewFindings.FieldOf(entry.Finding)).Append('\n');
        }

        return text.ToString();
    }

    // Why the list's manager cannot attest it.
    private static ReviewFinding ObjectionTo(RosterLine line, AccessSnapshot snapshot, string startedBy) => line.Manager switch
    {
        "" => ReviewFinding.NoManager,
        var self when self == line.Principal => ReviewFinding.ManagerIsItself,
        var name when !snapshot.Principals.TryGetValue(name, out var manager) || manager.Disabled => ReviewFinding.ManagerNotActive,
        var name when snapshot.Principals[name].Type != PrincipalType.Person => ReviewFinding.ManagerNotAPerson,
        var starter when starter == startedBy => ReviewFinding.ManagerStartedReview,
        _ => ReviewFinding.None,
    };
}
