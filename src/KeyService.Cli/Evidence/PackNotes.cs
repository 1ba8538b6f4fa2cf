using System.Text;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Evidence;

/// <summary>
/// Notes in a pack that the HSM signed when a month or a review of access was closed, which verify by themselves: that the pack was signed later says
/// nothing of them.
/// </summary>
internal static class PackNotes
{
    private const string MonthFolder = "reviews/";
    private const string AccessFolder = "access/reviews/";
    private const string Suffix = ".note";
    private const int MaxKeyLength = 4096;

    /// <summary>Does nothing about a file that is no such note.</summary>
    /// <param name="name">Of a file of the manifest.</param>
    /// <exception cref="CommandLine.CliError">The note is not signed by the key beside it, or is of another month or review than its name says.</exception>
    public static void Verify(PackFiles files, EvidenceManifest manifest, string name)
    {
        var folder = name.EndsWith(Suffix, StringComparison.Ordinal) ? name[..(name.LastIndexOf('/') + 1)] : "";
        var about = folder.Length > 0 ? name[folder.Length..^Suffix.Length] : "";
        if (!(folder switch
        {
            MonthFolder => IsMonth(files, manifest, name, about),
            AccessFolder => IsAccessReview(files, manifest, name, about),
            _ => true,
        }))
        {
            throw PackError.Of($"{name} is not signed by {folder}key");
        }
    }

    /// <summary>Null when the file holds no verifier key.</summary>
    public static NoteVerifier? ReadKey(PackFiles files, string name) =>
        NoteVerifier.TryParse(Encoding.UTF8.GetString(files.Read(name, MaxKeyLength)).TrimEnd('\n'), out var key) ? key : null;

    private static bool IsMonth(PackFiles files, EvidenceManifest manifest, string name, string month) =>
        SignedNote.TryParse(files.Read(name, SignedNote.MaxLength), out var note) && ReadKey(files, $"{MonthFolder}key") is { } key
        && key.Name == $"{LogNames.Of(manifest.Installation.Span).Installation}/reviews" && key.Signed(note!)
        && note!.Text.Split('\n') is [var origin, var of, ..] && origin == key.Name && of == month;

    private static bool IsAccessReview(PackFiles files, EvidenceManifest manifest, string name, string review) =>
        AccessReviewResult.TryRead(files.Read(name, AccessReviewResult.MaxLength), out var note, out var result) && ReadKey(files, $"{AccessFolder}key") is { } key
        && key.Name == AccessReviewResult.OriginOf(manifest.Installation.Span) && key.Signed(note!) && result!.Origin == key.Name && result.IdText == review;
}
