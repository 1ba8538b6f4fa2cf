using KeyService.Server.Ceremonies;
using KeyService.Server.Storage;

namespace KeyService.Server.Evidence;

/// <summary>Transcripts of the key ceremonies of a range of time, and of every one that made what is still in use.</summary>
internal sealed class CeremonyEvidence(IStore store, CeremonyTable ceremonies)
{
    private const string Header = "id,kind,ending,ended,recorded,recorded_by";

    /// <exception cref="StoreTamperedException">The register was changed outside the service.</exception>
    public async Task<EvidenceItem> CollectAsync(EvidenceRange range, CancellationToken cancellationToken)
    {
        // Shares and root of an earlier day are those of today: nothing before the range is left out.
        var (chosen, transcripts) = await store.ReadAsync(
            async connection =>
            {
                var found = (await ceremonies.ListAsync(connection, cancellationToken)).Where(each => UnixTime.FromNanoseconds(each.EndedAt) < range.Until).ToList();
                var files = new List<EvidenceFile>();
                foreach (var each in found)
                {
                    files.Add(new EvidenceFile($"backup/ceremonies/{each.Id}.kst", await CeremonyTable.ReadTranscriptAsync(connection, null, each)));
                }

                return (found, files);
            },
            cancellationToken);
        return EvidenceItem.OfLines(
            "backup/ceremonies.csv", "Key ceremonies", "164.308(a)(7)(ii)(D)",
            "Ceremonies that were brought here until the end of the range: what was made, checked and drilled, and whether it was completed. Beside them their transcripts, each signed by the HSM and who was there; keyservice ceremony verify checks them with nothing but the file (docs/spec/transcript.md).",
            Header,
            [.. chosen.Select(each => CsvLine.Of(each.Id, each.Kind, each.Ending, $"{UnixTime.FromNanoseconds(each.EndedAt):u}", $"{UnixTime.FromNanoseconds(each.RecordedAt):u}", each.RecordedBy))]) with
        {
            Beside = transcripts,
        };
    }
}
