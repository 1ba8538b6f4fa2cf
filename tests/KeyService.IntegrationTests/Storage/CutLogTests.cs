using KeyService.IntegrationTests.BadInput;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Storage;

/// <summary>Somebody cuts or edits the audit log of a stopped service, whose rows the token's integrity key has marked.</summary>
public sealed class CutLogTests(StoppedService stopped) : IClassFixture<StoppedService>
{
    private readonly ServiceFixture _service = stopped.Service;

    [Fact]
    public async Task Doctor_finds_an_untouched_log_whole()
    {
        var result = await Executables.RunServerAsync(["doctor", "--config", _service.ConfigPath, "--json"], _service.ServerEnvironment, _service.Directory);
        Assert.Contains("records without a gap", result.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DELETE FROM audit_records WHERE sequence >= (SELECT max(sequence) - 4 FROM audit_records)", "it was cut")]
    [InlineData("DELETE FROM audit_slots", "audit_slots")]
    [InlineData("UPDATE audit_slots SET marked_size = 0, frontier = x''", "audit_slots")]
    public async Task A_log_cut_below_its_mark_stops_the_start_and_doctor_says_so(string edit, string finding)
    {
        var config = EditedCopy(edit);

        var start = await Executables.RunServerAsync(["serve", "--config", config], _service.ServerEnvironment, _service.Directory);
        Assert.Contains(finding, start.ExpectExit(4).Error, StringComparison.Ordinal);

        var doctor = await Executables.RunServerAsync(["doctor", "--config", config, "--json"], _service.ServerEnvironment, _service.Directory);
        Assert.NotEqual(0, doctor.ExitCode);
        Assert.Contains(finding, doctor.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DELETE FROM audit_records WHERE sequence = 3", "1 records are missing")]
    [InlineData("UPDATE audit_records SET record = x'00' WHERE sequence = 3", "not in canonical form")]
    public async Task Doctor_names_the_record_that_was_touched(string edit, string finding)
    {
        var doctor = await Executables.RunServerAsync(["doctor", "--config", EditedCopy(edit), "--json"], _service.ServerEnvironment, _service.Directory);
        Assert.NotEqual(0, doctor.ExitCode);
        Assert.Contains("Record 0/3", doctor.Text, StringComparison.Ordinal);
        Assert.Contains(finding, doctor.Text, StringComparison.Ordinal);
    }

    private string EditedCopy(string edit)
    {
        var name = $"cut-{Guid.NewGuid():N}";
        _service.CopyStore(Path.Combine(_service.Directory, name + ".db"));
        using (var connection = new SqliteConnection($"Data Source={Path.Combine(_service.Directory, name + ".db")};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = edit;
            Assert.True(command.ExecuteNonQuery() > 0, edit);
        }

        return _service.WriteConfig(all => ((Dictionary<string, object?>)all["store"]!)["sqlite"] = name + ".db", name + ".json");
    }
}
