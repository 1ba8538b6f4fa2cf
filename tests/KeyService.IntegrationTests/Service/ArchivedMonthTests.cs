using System.Text.Json;
using KeyService.IntegrationTests.Rotation;

namespace KeyService.IntegrationTests.Service;

/// <summary>A month of the log from its export to its registered, encrypted file, with a server that lives on into the next months.</summary>
[Trait("Duration", "long")]
public sealed class ArchivedMonthTests
{
    [Fact]
    public async Task A_month_that_is_over_is_archived_once_and_kept_for_six_years()
    {
        await using var service = new ServiceFixture();
        await service.InitializeAsync();
        await service.CreateKeyAsync("audit/archive");
        var month = DateTimeOffset.UtcNow.ToString("yyyy-MM", System.Globalization.CultureInfo.InvariantCulture);
        (await service.RunCliAsync(service.Administrator, "audit", "export", "log", "--quiet")).ExpectExit(0);
        (await service.RunCliAsync(service.Backup, "encrypt", "--key", "audit/archive", "-o", "log.ksa", "--quiet", "--", "tar", "c", "log")).ExpectExit(0);
        (await service.RunCliAsync(service.Administrator, "grant", "create", "backup", "--key", "*", "--permissions", "archive-audit,read-audit")).ExpectExit(0);

        await service.StopAsync();
        var clock = new MovedClock(service.Directory);
        clock.Move(TimeSpan.FromDays(40));
        foreach (var (name, value) in clock.Environment)
        {
            service.Environment[name] = value;
        }

        await service.StartAsync();
        // Exported before the month was over: its last records are not in the file.
        var early = await service.RunCliAsync(service.Backup, "audit", "archive", month, "log.ksa", "--location", "vault", "--quiet");
        Assert.Contains("reaches the last record of the month", early.ExpectExit(2).Error, StringComparison.Ordinal);

        System.IO.Directory.Delete(Path.Combine(service.Directory, "log"), recursive: true);
        (await service.RunCliAsync(service.Administrator, "audit", "export", "log", "--quiet")).ExpectExit(0);
        (await service.RunCliAsync(service.Backup, "encrypt", "--key", "audit/archive", "-o", "log2.ksa", "--quiet", "--", "tar", "c", "log")).ExpectExit(0);
        var archived = (await service.RunCliAsync(service.Backup, "audit", "archive", month, "log2.ksa", "--location", "vault", "--quiet", "--json")).ExpectExit(0);
        var archive = JsonDocument.Parse(archived.Text).RootElement;
        Assert.Equal(month, archive.GetProperty("month").GetString());
        Assert.Equal(new FileInfo(Path.Combine(service.Directory, "log2.ksa")).Length, archive.GetProperty("file_length").GetInt64());

        (await service.RunCliAsync(service.Backup, "audit", "archive", month, "log2.ksa", "--location", "vault", "--quiet")).ExpectExit(6);
        Assert.Contains(
            "are kept until", (await service.RunCliAsync(service.Administrator, "audit", "delete", month, "--reason", "room")).ExpectExit(1).Error, StringComparison.Ordinal);
    }
}
