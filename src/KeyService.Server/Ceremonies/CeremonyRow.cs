using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Server.Ceremonies;

/// <summary>A transcript as it stands in the store.</summary>
/// <param name="Id">32 hexadecimal digits.</param>
/// <param name="Kind">One of <see cref="KeyService.Crypto.Ceremonies.CeremonyKind"/>.</param>
/// <param name="Ending">completed, void or postponed.</param>
/// <param name="EndedAt">Nanoseconds since 1970, by the station's clock.</param>
/// <param name="Transcript">The document.</param>
/// <param name="RecordedBy">Principal that brought it.</param>
/// <param name="RecordedAt">Nanoseconds since 1970.</param>
/// <param name="Revision">1.</param>
/// <param name="Mac">32 bytes.</param>
internal sealed record CeremonyRow(
    string Id, string Kind, string Ending, long EndedAt, byte[] Transcript, string RecordedBy, long RecordedAt, long Revision, byte[] Mac)
{
    public byte[] Canonical() => RowMac.Row(CeremonyTable.Name)
        .AddString(Id).AddString(Kind).AddString(Ending).AddInt64(EndedAt).AddBytes(SHA256.HashData(Transcript)).AddString(RecordedBy).AddInt64(RecordedAt)
        .AddInt64(Revision).ToArray();
}
