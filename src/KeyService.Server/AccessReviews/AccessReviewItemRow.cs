using System.Globalization;
using KeyService.Crypto;

namespace KeyService.Server.AccessReviews;

/// <summary>What was done about a principal in a review, as its table has it.</summary>
internal sealed class AccessReviewItemRow
{
    public long ReviewId { get; set; }

    public string Principal { get; set; } = "";

    /// <summary>Who may attest it now; empty when nobody.</summary>
    public string Manager { get; set; } = "";

    /// <summary>Who gave it to another manager than the list's; null when nobody did.</summary>
    public string? AssignedBy { get; set; }

    public string? AssignReason { get; set; }

    /// <summary>A <see cref="ReviewVerdict"/>.</summary>
    public long Verdict { get; set; }

    /// <summary>Who attested it; null when nobody did.</summary>
    public string? DecidedBy { get; set; }

    public long? DecidedAt { get; set; }

    public string? Note { get; set; }

    /// <summary>SHA-256 of what it held when that was decided.</summary>
    public byte[]? AccessSha256 { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public string IdText => $"{ReviewId.ToString("x16", CultureInfo.InvariantCulture)}/{Principal}";

    public byte[] Canonical() => RowMac.Row(AccessReviewItemTable.Name)
        .AddInt64(ReviewId).AddString(Principal).AddString(Manager).AddString(AssignedBy).AddString(AssignReason).AddInt64(Verdict).AddString(DecidedBy)
        .AddInt64(DecidedAt).AddString(Note).AddBytes(AccessSha256).AddInt64(Revision).ToArray();
}
