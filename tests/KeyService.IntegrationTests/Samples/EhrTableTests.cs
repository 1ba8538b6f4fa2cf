using System.Text;
using Dapper;

namespace KeyService.IntegrationTests.Samples;

/// <summary>samples/EhrTable as its README runs it: a real PostgreSQL, a real service, and nothing readable in the database.</summary>
[Collection(Service.RunningService.Name)]
public sealed class EhrTableTests(ServiceFixture service, PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task Patients_are_inserted_found_by_record_number_and_survive_a_rotation()
    {
        var group = $"sample-{Guid.NewGuid():N}";
        await service.CreateKeyAsync($"{group}/patients");
        (await service.RunCliAsync(service.Administrator, "key", "create", $"{group}/index", "--purpose", "blind-index")).ExpectExit(0);
        var database = await postgres.CreateDatabaseAsync("ehr");
        Task<CommandResult> Run(params string[] command) => Command.RunAsync(
            Executables.EhrTable,
            [service.Database.ProfilePath, $"{group}/patients", $"{group}/index", postgres.ConnectionString(database), .. command]);

        (await Run("create")).ExpectExit(0);
        (await Run("create")).ExpectExit(0);
        (await Run("insert", "MRN-00042", "Ana Peña", "+1 555 0107")).ExpectExit(0);
        (await Run("insert", "MRN-00043", "Joe Bloggs")).ExpectExit(0);
        Assert.Equal("MRN-00042, Ana Peña, +1 555 0107\n", (await Run("find", "mrn 00042")).ExpectExit(0).Text);
        Assert.Equal("nobody\n", (await Run("find", "MRN-00044")).ExpectExit(0).Text);

        await using (var connection = await postgres.OpenAsync(database))
        {
            var dump = await connection.QueryAsync<string>("SELECT p::text FROM patient p UNION ALL SELECT k::text FROM keyservice_wrapped_keys k");
            foreach (var plain in new[] { "Peña", "00042", "555 0107", "Bloggs" })
            {
                var hex = Convert.ToHexStringLower(Encoding.UTF8.GetBytes(plain));
                Assert.DoesNotContain(dump, row => row.Contains(plain, StringComparison.Ordinal) || row.Contains(hex, StringComparison.Ordinal));
            }
        }

        await Service.Calls.RotateAsync(service, $"{group}/patients");
        await Service.Calls.RotateAsync(service, $"{group}/index");
        Assert.Equal("3 re-wrapped, 0 stood under the newest version, 0 failed\n", (await Run("rewrap")).ExpectExit(0).Text);
        Assert.Equal("MRN-00042, Ana Peña, +1 555 0107\nMRN-00043, Joe Bloggs, no telephone\n", (await Run("list")).ExpectExit(0).Text);
        Assert.Equal("MRN-00043, Joe Bloggs, no telephone\n", (await Run("find", "mrn00043")).ExpectExit(0).Text);
    }
}
