using Dapper;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.RealInput;

/// <summary>Patients, encounters and observations with encrypted columns, through EncryptBatch and DecryptBatch.</summary>
[Collection("EHR")]
public sealed class EncryptedColumnsTests(ServiceFixture service, PostgresFixture postgres)
{
    [Fact]
    public Task Encrypted_columns_of_the_sample_read_back_what_was_written() =>
        SealAndOpen("ehr/sample", Directory.GetFiles(FhirRecords.SampleDirectory, "*.json"));

    [Fact]
    [Trait("Duration", "long")]
    public async Task Encrypted_columns_of_the_Synthea_bundles_read_back_what_was_written()
    {
        using var synthea = await SyntheaBundles.UnpackAsync();
        await SealAndOpen("ehr/synthea", synthea.Files);
    }

    [Fact]
    public async Task A_ciphertext_moved_to_another_row_does_not_open_and_its_neighbours_do()
    {
        await service.CreateKeyAsync("ehr/moved");
        using var channel = service.ConnectAs("database");
        var columns = new ColumnCipher(new Cipher.CipherClient(channel), "ehr/moved");
        await using var connection = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));
        await EhrDatabase.CreateAsync(connection, FhirRecords.Load(Directory.GetFiles(FhirRecords.SampleDirectory, "*.json")));
        await columns.SealAsync(connection, "patients", ["document"]);

        await connection.ExecuteAsync(
            "UPDATE patients_sealed SET document = (SELECT document FROM patients_sealed WHERE id = 'f201') WHERE id = 'f001'");
        var rows = (await connection.QueryAsync<(string Id, byte[] Token)>(
            "SELECT id, document FROM patients_sealed ORDER BY id")).ToList();
        var results = await columns.DecryptAsync("patients", "document", rows);

        Assert.All(rows.Zip(results), pair =>
            Assert.Equal(pair.First.Id == "f001" ? "DECRYPTION_FAILED" : "", pair.Second.Error));
    }

    private async Task SealAndOpen(string key, IEnumerable<string> bundles)
    {
        await service.CreateKeyAsync(key);
        using var channel = service.ConnectAs("database");
        var cipher = new ColumnCipher(new Cipher.CipherClient(channel), key);
        await using var connection = await postgres.OpenAsync(await postgres.CreateDatabaseAsync("ehr"));
        await EhrDatabase.CreateAsync(connection, FhirRecords.Load(bundles));

        foreach (var (table, columns) in EhrDatabase.Sealed)
        {
            await cipher.SealAsync(connection, table, columns);
            var plain = await ColumnCipher.PlainAsync(connection, table, columns);

            Assert.NotEmpty(plain);
            Assert.Equal(plain, await cipher.OpenAsync(connection, table, columns));
            Assert.Equal(0, await PlaintextsLeftAsync(connection, table, columns));
        }
    }

    // A sealed column never holds the bytes of its plaintext.
    private static async Task<long> PlaintextsLeftAsync(Npgsql.NpgsqlConnection connection, string table, string[] columns)
    {
        var found = 0L;
        foreach (var column in columns)
        {
            found += await connection.ExecuteScalarAsync<long>(
                $"""
                SELECT count(*) FROM {table} p JOIN {table}_sealed s USING (id)
                WHERE length(p.{column}) > 3 AND position(convert_to(p.{column}, 'UTF8') IN s.{column}) > 0
                """);
        }
        return found;
    }
}
