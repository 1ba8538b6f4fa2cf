using KeyService.Server.Access;

namespace KeyService.Server.AccessReviews;

/// <summary>What the personnel office's list says of an active principal; frozen numbers, the same as in <c>access_reviews.proto</c>.</summary>
internal enum ReviewFinding : byte
{
    /// <summary>It is on the list, and its manager can attest it.</summary>
    None = 1,

    /// <summary>It is not on the list.</summary>
    Orphan = 2,

    /// <summary>It left.</summary>
    Left = 3,
    NoManager = 4,

    /// <summary>The manager is not registered, or disabled.</summary>
    ManagerNotActive = 5,
    ManagerNotAPerson = 6,
    ManagerIsItself = 7,

    /// <summary>Who starts a review attests nothing in it.</summary>
    ManagerStartedReview = 8,
}

/// <summary>Names of findings, frozen: they stand in rows and results.</summary>
internal static class ReviewFindings
{
    private const string Absent = "-";

    /// <summary>For example "manager-not-active"; empty for <see cref="ReviewFinding.None"/>.</summary>
    public static string NameOf(ReviewFinding finding) => finding == ReviewFinding.None ? "" : KebabName.Of(finding.ToString());

    /// <summary>As a field of a line, which is never empty.</summary>
    public static string FieldOf(ReviewFinding finding) => finding == ReviewFinding.None ? Absent : NameOf(finding);

    public static bool TryParseField(string text, out ReviewFinding finding)
    {
        finding = Enum.GetValues<ReviewFinding>().FirstOrDefault(each => FieldOf(each) == text);
        return finding != default;
    }
}
