namespace KeyService.IntegrationTests.RealInput;

/// <summary>The EHR database itself, before anything is encrypted.</summary>
[Collection("EHR")]
public sealed class EhrDatabaseTests(PostgresFixture postgres)
{
    [Fact]
    public async Task The_sample_loads_as_patients_encounters_and_observations()
    {
        var records = FhirRecords.Load(Directory.GetFiles(FhirRecords.SampleDirectory, "*.json"));
        await using var connection = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));

        await EhrDatabase.CreateAsync(connection, records);
        var digest = await EhrDatabase.DigestAsync(connection);

        Assert.StartsWith("8 rows", digest["patients"], StringComparison.Ordinal);
        Assert.StartsWith($"{records.Encounters.Count} rows", digest["encounters"], StringComparison.Ordinal);
        Assert.StartsWith($"{records.Observations.Count} rows", digest["observations"], StringComparison.Ordinal);
        Assert.True(records.Encounters.Count >= 5 && records.Observations.Count >= 40);
        Assert.StartsWith("0 rows", digest["patients_sealed"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Databases_that_differ_in_one_letter_have_different_digests()
    {
        var records = FhirRecords.Load(Directory.GetFiles(FhirRecords.SampleDirectory, "*.json"));
        await using var one = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));
        await using var other = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));
        await EhrDatabase.CreateAsync(one, records);
        await EhrDatabase.CreateAsync(other, records);
        Assert.Equal(await EhrDatabase.DigestAsync(one), await EhrDatabase.DigestAsync(other));

        await Dapper.SqlMapper.ExecuteAsync(other, "UPDATE patients SET family = family || 'x' WHERE id = 'f001'");

        Assert.NotEqual((await EhrDatabase.DigestAsync(one))["patients"], (await EhrDatabase.DigestAsync(other))["patients"]);
    }
}
