using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Approvals;

namespace KeyService.Crypto.AccessReviews;

/// <summary>What a review made of one principal.</summary>
/// <param name="Principal">Its name.</param>
/// <param name="Type">One of <see cref="AccessReviewWords.Types"/>.</param>
/// <param name="Manager">Who was to attest it, another principal; empty when nobody was.</param>
/// <param name="Finding">One of <see cref="AccessReviewWords.Findings"/>; empty when the list agreed.</param>
/// <param name="Verdict">One of <see cref="AccessReviewWords.Verdicts"/>.</param>
/// <param name="Time">When that was decided, in whole seconds.</param>
/// <param name="AccessDigest">SHA-256 of what it held then, 32 bytes; empty when it was disabled otherwise.</param>
/// <param name="Note">What the manager wrote: at most 512 bytes of UTF-8 without control characters; empty when nothing.</param>
public sealed record AccessReviewEntry(
    string Principal, string Type, string Manager, string Finding, string Verdict, DateTimeOffset Time, ReadOnlyMemory<byte> AccessDigest, string Note)
{
    /// <summary>Bytes of a note's UTF-8 at most.</summary>
    public const int MaxNoteLength = 512;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A manager attested it, in his own name.</summary>
    public bool IsAttested => Verdict is AccessReviewWords.Keep or AccessReviewWords.Suspend;

    /// <summary>Not empty, at most <see cref="MaxNoteLength"/> bytes, Unicode, no control character.</summary>
    public static bool IsNote(string text)
    {
        try
        {
            return text.Length > 0 && !text.Any(char.IsControl) && Utf8.GetByteCount(text) <= MaxNoteLength;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>Whether everything keeps its rule, and nothing speaks against another.</summary>
    internal bool KeepsRules() =>
        ApprovalName.IsName(Principal) && AccessReviewWords.Types.Contains(Type)
        && (Manager.Length == 0 || (ApprovalName.IsName(Manager) && Manager != Principal))
        && (Finding.Length == 0 || AccessReviewWords.Findings.Contains(Finding))
        && AccessReviewWords.Verdicts.Contains(Verdict)
        && (!IsAttested || Manager.Length > 0)
        && AccessDigest.Length == (Verdict == AccessReviewWords.DisabledMeanwhile ? 0 : SHA256.HashSizeInBytes)
        && (Note.Length == 0 ? Verdict != AccessReviewWords.Suspend : IsAttested && IsNote(Note));
}
