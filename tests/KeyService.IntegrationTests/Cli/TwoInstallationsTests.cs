using System.IO.Compression;

namespace KeyService.IntegrationTests.Cli;

/// <summary>Packs of two real installations, and the log of one in the pack of the other.</summary>
public sealed class TwoInstallationsTests
{
    [Fact]
    public async Task The_log_of_another_installation_does_not_pass_for_the_packs()
    {
        await using var one = new ServiceFixture();
        // Initialized by itself: the others are copies of one.
        await using var other = new ServiceFixture { Configure = _ => { } };
        var pack = await PackAsync(one);
        var mixed = Path.Combine(one.Directory, "mixed.zip");
        using (var source = ZipFile.OpenRead(pack))
        using (var foreign = ZipFile.OpenRead(await PackAsync(other)))
        using (var target = ZipFile.Open(mixed, ZipArchiveMode.Create))
        {
            foreach (var entry in source.Entries.Where(entry => !IsLog(entry)).Concat(foreign.Entries.Where(IsLog)))
            {
                using var from = entry.Open();
                using var to = target.CreateEntry(entry.FullName).Open();
                await from.CopyToAsync(to);
            }
        }

        (await one.RunCliAsync(one.Administrator, "evidence", "verify", pack)).ExpectExit(0);
        Assert.Contains(
            "The pack does not verify: the log in it is of another installation.", (await one.RunCliAsync(one.Administrator, "evidence", "verify", mixed)).ExpectExit(4).Error, StringComparison.Ordinal);

        // And a pack does not pass for one of the other installation.
        ZipFile.ExtractToDirectory(pack, Path.Combine(one.Directory, "pack"));
        var key = Path.Combine(one.Directory, "pack", "key");
        Assert.Contains(
            "its manifest is not signed by a given key",
            (await one.RunCliAsync(one.Administrator, "evidence", "verify", Path.Combine(other.Directory, "evidence.zip"), "--key", key)).ExpectExit(4).Error, StringComparison.Ordinal);
    }

    private static bool IsLog(ZipArchiveEntry entry) => entry.FullName.StartsWith("log/", StringComparison.Ordinal);

    private static async Task<string> PackAsync(ServiceFixture service)
    {
        await service.InitializeAsync();
        var path = Path.Combine(service.Directory, "evidence.zip");
        (await service.RunCliAsync(service.Administrator, "evidence", "pack", "--from", "2026-01-01", "-o", path)).ExpectExit(0);
        return path;
    }
}
