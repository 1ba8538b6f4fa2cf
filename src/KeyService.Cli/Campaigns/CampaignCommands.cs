using System.CommandLine;
using System.Security.Cryptography;
using Google.Protobuf;
using KeyService.Cli.Adopt;
using KeyService.Cli.CommandLine;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Campaigns;

/// <summary><c>keyservice campaign …</c></summary>
internal static class CampaignCommands
{
    private static readonly OrderedDictionary<string, CampaignKind> Kinds = new(StringComparer.Ordinal)
    {
        ["rewrap"] = CampaignKind.Rewrap,
        ["reencrypt"] = CampaignKind.Reencrypt,
    };

    public static Command Create() => new Command("campaign", "Bring what stands under old key versions under the newest, with proof")
    {
        Start(), Run(), Status(), List(), Proof(), End(),
    }.WithNotes("""
        In this order:
          key rotate        a campaign leaves versions behind that protect no more
          campaign start    by an administrator of holdings
          campaign run      on each machine that reaches holdings, by their owner; interrupt it and run it again as you like
          campaign end      by an administrator of holdings: the proof that nothing registered needs the versions, or what is missing to it
        """);

    private static Command Start()
    {
        var name = Name();
        var key = GlobalOptions.Key();
        var kind = new Option<string>("--kind")
        {
            Description = "rewrap, or reencrypt for a compromised version", HelpName = "KIND", DefaultValueFactory = _ => Kinds.Keys.First(),
        };
        kind.AcceptOnlyFromAmong([.. Kinds.Keys]);
        var versions = new Option<string[]>("--version")
        {
            Description = "A version to leave behind, once for each; all but the active one when absent", HelpName = "ID", DefaultValueFactory = _ => [],
        };
        var rate = new Option<int>("--items-per-second") { Description = "At most so many items a second in each holding; no limit when absent", HelpName = "N" };
        var requestId = GlobalOptions.RequestId();
        return new Command("start", "Begin a campaign") { name, key, kind, versions, rate, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(CampaignRecords.Of(await client.Holdings.StartCampaignAsync(
                run.Get(name), Kinds[run.Required(kind)], run.Required(key), run.Get(versions)!, run.Get(rate), run.Get(requestId), run.Cancellation)
                .ConfigureAwait(false)));
        });
    }

    private static Command Run()
    {
        var name = Name();
        var at = new Option<string[]>("--at")
        {
            Description = "Where a holding is, seen from here: a connection string without a password, or a directory; once for each",
            HelpName = "HOLDING=PLACE",
            DefaultValueFactory = _ => [],
        };
        var places = new Option<string?>("--places") { Description = "File with such lines", HelpName = "FILE" };
        var rate = new Option<int>("--items-per-second") { Description = "Slower than the campaign asks for", HelpName = "N" };
        var scanOnly = new Option<bool>("--scan-only") { Description = "Change nothing; count and report" };
        return new Command("run", "Work off the holdings that this machine reaches, then count and report what is left") { name, at, places, rate, scanOnly }
            .WithNotes("""
                Example:
                  keyservice campaign run 2027-move --at labs='Host=/run/postgresql;Database=ehr' --at dumps=/srv/backup

                Run as the holdings' owner, who may rewrap-data-key or reencrypt, report-holding and read-holdings. A value is replaced only by one
                that the service has opened, and only where it is still the one that was read: at every moment every row can be read, and an
                application that writes meanwhile wins. Nothing is kept between two runs: after an interruption the same command goes on. A
                password is taken from PGPASSWORD or PGPASSFILE.
                """)
            .RunsOnDatabase(async run =>
            {
                var reached = await Places.ReadAsync(run.Get(at)!, run.Get(places), run.Cancellation).ConfigureAwait(false);
                using var client = run.Connect();
                return await new CampaignRun(run, client, reached, run.Get(rate), run.Get(scanOnly)).RunAsync(run.Get(name)).ConfigureAwait(false);
            });
    }

    private static Command Status()
    {
        var name = Name();
        return new Command("status", "Show where a campaign stands in each holding, and what to do next") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(CampaignRecords.Of(await client.Holdings.GetCampaignAsync(run.Get(name), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Command List() => new Command("list", "List campaigns").Runs(async run =>
    {
        using var client = run.Connect();
        await run.Report.WriteListAsync(
            client.Holdings.ListCampaignsAsync(run.Cancellation).Select(CampaignRecords.Of), "No campaigns.", run.Cancellation).ConfigureAwait(false);
    });

    private static Command Proof()
    {
        var name = Name();
        return new Command("proof", "Show the proof of a campaign that has ended") { name }.Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Holdings.GetCampaignAsync(run.Get(name), run.Cancellation).ConfigureAwait(false);
            var proof = answer.Proof ?? throw new CliError(
                ExitCode.Conflict, "NOT_PROVEN", $"Campaign {run.Get(name)} has no proof.", $"Next: {CampaignRecords.Next(answer)}");
            run.Report.Write(CampaignRecords.Of(proof, Convert.ToHexStringLower(SHA256.HashData(proof.ToByteArray()))));
        });
    }

    private static Command End()
    {
        var name = Name();
        var abandon = new Option<bool>("--abandon") { Description = "Give it up, without proof" };
        var pinned = new Option<bool>("--accept-pinned") { Description = "Though write-once holdings need the versions until their retention ends; the proof names them" };
        var requestId = GlobalOptions.RequestId();
        return new Command("end", "End a campaign with its proof, or say what is missing to it") { name, abandon, pinned, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            var answer = await client.Holdings.EndCampaignAsync(
                run.Get(name), run.Get(abandon), run.Get(pinned), run.Get(requestId), run.Cancellation).ConfigureAwait(false);
            run.Report.Write(answer.Proof is { } proof ? CampaignRecords.Of(proof, answer.ProofSha256) : CampaignRecords.Of(answer.Campaign));
        });
    }

    private static Argument<string> Name() => new("NAME") { Description = "Name of the campaign: [a-z0-9._-], grouped by /" };
}
