namespace KeyService.IntegrationTests.BadInput;

/// <summary>Somebody has the database file and the configuration, and a token of the same label and PIN, but not the token.</summary>
[Collection("Stopped service")]
public sealed class StolenStoreTests(StoppedService stopped)
{
    private readonly ServiceFixture service = stopped.Service;

    [Fact]
    public async Task A_stolen_store_opens_with_no_other_token()
    {
        var thief = Path.Combine(service.Directory, "thief");
        await Executables.MakeTokenAsync(thief);
        (await Executables.RunServerAsync(
            [
                "init", "--config", service.WriteConfig(all => Change(all, thief, "thief/own.db"), "thief-own.json"),
                "--admin-name", "thief", "--admin-certificate-uri", "keyservice:principal/administrator",
            ],
            Environment(thief))).ExpectExit(0);
        service.CopyStore(Path.Combine(thief, "stolen.db"));

        var result = await Executables.RunServerAsync(
            ["serve", "--config", service.WriteConfig(all => Change(all, thief, "thief/stolen.db"), "thief.json")], Environment(thief));

        Assert.Contains("another token", result.ExpectExit(2).Error, StringComparison.Ordinal);
    }

    private static void Change(Dictionary<string, object?> config, string thief, string store)
    {
        config["dataDirectory"] = thief;
        ((Dictionary<string, object?>)config["hsm"]!)["pinFile"] = Path.Combine(thief, "pin");
        ((Dictionary<string, object?>)config["store"]!)["sqlite"] = store;
    }

    private static Dictionary<string, string?> Environment(string thief) =>
        new() { ["SOFTHSM2_CONF"] = Path.Combine(thief, "softhsm2.conf") };
}
