using KeyService.Crypto;

namespace KeyService.Server.Ceremonies;

/// <summary>What the store says of a transcript; the document itself is read where it is needed.</summary>
/// <param name="Id">32 hexadecimal digits.</param>
/// <param name="Kind">One of <see cref="KeyService.Crypto.Ceremonies.CeremonyKind"/>.</param>
/// <param name="Ending">completed, void or postponed.</param>
/// <param name="EndedAt">Nanoseconds since 1970, by the station's clock.</param>
/// <param name="LastHash">Of the transcript's last entry, 32 bytes.</param>
/// <param name="TranscriptSha256">Of the document, 32 bytes.</param>
/// <param name="RecordedBy">Principal that brought it.</param>
/// <param name="RecordedAt">Nanoseconds since 1970.</param>
/// <param name="Revision">1, and one more with each time it came with more signatures.</param>
/// <param name="Mac">32 bytes.</param>
internal sealed record CeremonyRow(
    string Id, string Kind, string Ending, long EndedAt, byte[] LastHash, byte[] TranscriptSha256, string RecordedBy, long RecordedAt, long Revision, byte[] Mac)
{
    public byte[] Canonical() => RowMac.Row(CeremonyTable.Name)
        .AddString(Id).AddString(Kind).AddString(Ending).AddInt64(EndedAt).AddBytes(LastHash).AddBytes(TranscriptSha256).AddString(RecordedBy).AddInt64(RecordedAt)
        .AddInt64(Revision).ToArray();
}
