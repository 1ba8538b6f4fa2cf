using KeyService.Cli.Output;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Transcripts as records.</summary>
internal static class TranscriptRecords
{
    public static Record Of(Transcript transcript, string path)
    {
        var verdict = TranscriptVerdict.Of(transcript);
        return new Record
        {
            ["file"] = path,
            ["ceremony"] = Convert.ToHexStringLower(transcript.Header.Ceremony.Span),
            ["kind"] = transcript.Header.Kind,
            ["rehearsal"] = transcript.Header.IsRehearsal,
            ["ending"] = verdict.Ending,
            ["entries"] = transcript.Entries.Count,
            ["deviations"] = transcript.Entries.Count(each => each.Type == TranscriptEntryType.Deviation),
            ["began"] = transcript.Entries.Count > 0 ? transcript.Entries[0].Time : null,
            ["ended"] = transcript.HasEnded ? transcript.Entries[^1].Time : null,
            ["script_sha256"] = Convert.ToHexStringLower(transcript.Header.Script.Span),
            ["last_hash"] = Convert.ToHexStringLower(transcript.Head.Span),
            ["people"] = verdict.Roles.Select(each => $"{each.Key} ({each.Value})").ToList(),
            ["signed_by"] = transcript.Signatures.Select(each => each.IsHsm ? $"hsm {each.Signer}" : each.Signer).ToList(),
            ["not_signed_by"] = verdict.Unsigned,
            ["findings"] = verdict.Findings.Select(each => each.ToString()).ToList(),
        };
    }
}
