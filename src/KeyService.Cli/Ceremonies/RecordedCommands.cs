using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Transcripts that are brought to the service, and what it knows from them.</summary>
internal static class RecordedCommands
{
    public static Command Record()
    {
        var path = new Argument<string>("FILE") { Description = "The transcript (.kst)" };
        var requestId = GlobalOptions.RequestId();
        return new Command("record", "Bring a transcript to the service, which keeps it and knows when the next ceremony is due") { path, requestId }
            .WithNotes("Whoever signs later: bring it again, with more signatures. A rehearsal is refused.").Runs(async run =>
            {
                var bytes = await InputFile.ReadSmallAsync(run.Get(path), Transcript.MaxLength, run.Cancellation).ConfigureAwait(false);
                using var client = run.Connect();
                run.Report.Write(Of(await client.Ceremonies.RecordAsync(bytes, run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
            });
    }

    public static Command List() => new Command("list", "Ceremonies that the service knows of, the newest first, and when the next ones are due").Runs(async run =>
    {
        using var client = run.Connect();
        var all = await client.Ceremonies.ListAsync(run.Cancellation).ConfigureAwait(false);
        await run.Report.WriteListAsync(all.Ceremonies.Select(Of).ToAsyncEnumerable(), "No ceremonies.", run.Cancellation).ConfigureAwait(false);
        foreach (var due in all.Due.Where(_ => !run.Quiet))
        {
            await Console.Error.WriteLineAsync($"next {due.Kind} due {Output.Record.Time(due.DueTime.ToDateTimeOffset())}").ConfigureAwait(false);
        }
    });

    public static Command Fetch()
    {
        var id = new Argument<string>("ID") { Description = "Id of the ceremony, 32 hexadecimal digits" };
        var output = GlobalOptions.Output("Where the transcript goes; stdout when missing");
        return new Command("fetch", "Write a transcript that the service keeps") { id, output }.Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Ceremonies.GetAsync(run.Get(id), run.Cancellation).ConfigureAwait(false);
            using var file = OutputFile.Create(run.Get(output), force: run.Get(output) is null);
            await file.Stream.WriteAsync(answer.Transcript.Memory, run.Cancellation).ConfigureAwait(false);
            file.Commit();
        });
    }

    public static Command Custody()
    {
        var files = new Argument<string[]>("FILE") { Description = "Transcripts (.kst); else those that the service keeps", Arity = ArgumentArity.ZeroOrMore };
        return new Command("custody", "Which share and which copy of a bundle is with whom, in which bag, where") { files }.Runs(async run =>
        {
            var transcripts = new List<Transcript>();
            foreach (var path in run.Get(files))
            {
                transcripts.Add(TranscriptCommands.Parse(await InputFile.ReadSmallAsync(path, Transcript.MaxLength, run.Cancellation).ConfigureAwait(false), path));
            }
            if (transcripts.Count == 0)
            {
                using var client = run.Connect();
                foreach (var ceremony in (await client.Ceremonies.ListAsync(run.Cancellation).ConfigureAwait(false)).Ceremonies)
                {
                    transcripts.Add(TranscriptCommands.Parse((await client.Ceremonies.GetAsync(ceremony.Id, run.Cancellation).ConfigureAwait(false)).Transcript.ToByteArray(), ceremony.Id));
                }
            }
            await run.Report.WriteListAsync(transcripts.OrderBy(each => each.Entries.Count == 0 ? DateTimeOffset.MinValue : each.Entries[^1].Time).SelectMany(CustodyOf).ToAsyncEnumerable(),
                "Nothing is recorded to be anywhere.", run.Cancellation).ConfigureAwait(false);
        });
    }

    private static IEnumerable<Record> CustodyOf(Transcript transcript)
    {
        foreach (var share in RecordedShare.AllOf(transcript))
        {
            yield return Held($"share {share.Subject}", share.Custodian, share.Bag, "with the custodian", share.Time, transcript);
        }
        foreach (var copy in RecordedCopy.AllOf(transcript))
        {
            yield return Held($"copy {copy.Number} of the bundles", copy.Courier, copy.Bag, $"to be kept at: {(copy.Place.Length > 0 ? copy.Place : "not said")}", copy.Time, transcript);
        }
    }

    private static Record Held(string what, string who, string bag, string where, DateTimeOffset since, Transcript transcript) => new()
    {
        ["what"] = what, ["custodian"] = who, ["bag"] = bag, ["where"] = where, ["since"] = since, ["kind"] = transcript.Header.Kind,
        ["void"] = transcript.Entries[^1] is { Type: TranscriptEntryType.End, Subject: TranscriptVerdict.Void },
    };

    private static Record Of(KeyService.Protocol.V1.Ceremony ceremony) => new Record
    {
        ["id"] = ceremony.Id, ["kind"] = ceremony.Kind, ["ending"] = ceremony.Ending, ["ended"] = ceremony.EndTime.ToDateTimeOffset(),
        ["recorded"] = ceremony.RecordTime.ToDateTimeOffset(), ["recorded_by"] = ceremony.RecordedBy,
    }.Detail("last_hash", ceremony.LastHash);
}
