using System.Diagnostics;
using System.Text.Json;
using Dapper;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.IntegrationTests.Campaigns;

/// <summary>
/// Wrapped keys in a real table go to the newest version while the command is killed again and again: at every moment random rows open, and at
/// the end the proof says that none needs the old version.
/// </summary>
public sealed class KilledCampaignTests(ServiceFixture service, PostgresFixture postgres, ITestOutputHelper output)
    : IClassFixture<ServiceFixture>, IClassFixture<PostgresFixture>
{
    [Fact]
    public Task Five_thousand_wrapped_keys_are_readable_at_every_moment_of_a_campaign_that_is_killed() => RunAsync(5_000);

    [Fact]
    [Trait("Duration", "long")]
    public Task A_million_wrapped_keys_are_readable_at_every_moment_of_a_campaign_that_is_killed() => RunAsync(1_000_000);

    private async Task RunAsync(int rows)
    {
        var key = $"ehr/rows-{rows}";
        var holding = $"rows-{rows}";
        var campaign = $"move-{rows}";
        await service.CreateKeyAsync(key);
        await CampaignGrants.GiveAsync(service, "database");
        using var table = new WrappedKeyRows(service, postgres, await postgres.CreateDatabaseAsync("campaign"));
        var filling = Stopwatch.GetTimestamp();
        await table.FillAsync(key, rows);
        output.WriteLine($"{rows} wrapped keys made in {Stopwatch.GetElapsedTime(filling).TotalSeconds:0.0} s");
        await table.RegisterAsync(holding, key);
        await using var connection = new NpgsqlConnection(table.ConnectionString);
        await connection.OpenAsync();
        var old = Convert.ToHexStringLower(await connection.ExecuteScalarAsync<byte[]>("SELECT substring(wrapped from 2 for 8) FROM record LIMIT 1") ?? []);
        (await service.RunCliAsync(service.Administrator, "key", "rotate", key)).ExpectExit(0);
        (await service.RunCliAsync(service.Administrator, "campaign", "start", campaign, "--key", key)).ExpectExit(0);

        using var ending = new CancellationTokenSource();
        var opened = OpenAllTheWhileAsync(table, rows, ending.Token);
        var working = Stopwatch.GetTimestamp();
        var left = (long)rows;
        foreach (var share in new[] { 0.95, 0.7, 0.5, 0.2 })
        {
            left = await KillAtAsync(connection, table, campaign, holding, old, rows, share);
        }
        var done = await Command.RunAsync(
            Executables.Cli, ["campaign", "run", campaign, "--at", $"{holding}={table.ConnectionString}", "--json"], Profile, limit: TimeSpan.FromHours(1));
        done.ExpectExit(0);
        var answer = JsonDocument.Parse(done.Text).RootElement;
        Assert.Equal(left, answer.GetProperty("changed").GetInt64());
        Assert.Equal(0, answer.GetProperty("failed").GetInt64());
        output.WriteLine($"{rows - left} rows until the last of four kills; the fifth run: {left} rows in {answer.GetProperty("seconds").GetDouble():0.0} s, "
            + $"{left / answer.GetProperty("seconds").GetDouble():0} rows/s; all together {Stopwatch.GetElapsedTime(working).TotalSeconds:0.0} s");
        await ending.CancelAsync();
        output.WriteLine($"{await opened} random rows were opened meanwhile");

        Assert.Equal(0, await table.CountUnderAsync(connection, old));
        await table.OpenSampleAsync(connection, rows, 200);
        var proof = (await service.RunCliAsync(service.Administrator, "campaign", "end", campaign, "--json")).ExpectExit(0);
        Assert.Equal($"Nothing registered needs version {old} of {key}.", JsonDocument.Parse(proof.Text).RootElement.GetProperty("statement").GetString());
    }

    private Dictionary<string, string?> Profile => new() { ["KEYSERVICE_PROFILE"] = service.Database.ProfilePath };

    /// <summary>Runs the command until no more than this share of the rows is left under the old version, and kills it there.</summary>
    private async Task<long> KillAtAsync(NpgsqlConnection connection, WrappedKeyRows table, string campaign, string holding, string old, int rows, double shareLeft)
    {
        var start = Command.StartInfo(
            Executables.Cli, ["campaign", "run", campaign, "--at", $"{holding}={table.ConnectionString}", "--quiet"],
            Profile, service.Directory);
        using var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        var errors = process.StandardError.ReadToEndAsync();
        while (await table.CountUnderAsync(connection, old) > rows * shareLeft)
        {
            Assert.False(process.HasExited, process.HasExited ? await errors : "");
            // Counting a large table takes the processor from what is counted.
            await Task.Delay(rows / 1000);
        }
        process.Kill();
        await process.WaitForExitAsync().WaitAsync(Command.Limit);
        // What the killed command had sent may still commit.
        await connection.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'keyservice adopt'");
        await Until.TrueAsync(
            async () => await connection.ExecuteScalarAsync<long>(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keyservice adopt'") == 0,
            "the end of what the killed command had at the database");
        return await table.CountUnderAsync(connection, old);
    }

    private async Task<long> OpenAllTheWhileAsync(WrappedKeyRows table, int rows, CancellationToken ending)
    {
        await using var connection = new NpgsqlConnection(table.ConnectionString);
        await connection.OpenAsync(CancellationToken.None);
        var opened = 0L;
        while (!ending.IsCancellationRequested)
        {
            await table.OpenSampleAsync(connection, rows, 10);
            opened += 10;
            await Task.Delay(5, CancellationToken.None);
        }
        return opened;
    }
}

/// <summary>Grants that campaigns need beside using keys.</summary>
internal static class CampaignGrants
{
    public static async Task GiveAsync(ServiceFixture service, string principal)
    {
        using var channel = service.ConnectAs("administrator");
        var request = new CreateGrantRequest { RequestId = Guid.NewGuid().ToString(), Principal = principal, KeyPattern = "*" };
        request.Permissions.AddRange(["read-holdings", "report-holding"]);
        await new KeyService.Protocol.V1.Access.AccessClient(channel).CreateGrantAsync(request);
    }
}
