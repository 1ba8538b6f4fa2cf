using KeyService.IntegrationTests.RealInput;
using KeyService.Protocol.V1;
using Npgsql;

namespace KeyService.IntegrationTests.Restore;

/// <summary>A clinical database whose columns a service encrypted, and an archive of its dump: what must open again after a disaster.</summary>
internal sealed class ClinicalSample(PostgresFixture postgres, ServiceFixture service, NpgsqlConnection connection)
{
    private const string Columns = "ehr/sample";
    private const string Dumps = "ehr-backup/sample";

    private string Archive => Path.Combine(service.Directory, "ehr.ksa");

    public static async Task<ClinicalSample> SealAsync(PostgresFixture postgres, ServiceFixture service, NpgsqlConnection connection)
    {
        await service.CreateKeyAsync(Columns);
        await service.CreateKeyAsync(Dumps);
        await EhrDatabase.CreateAsync(connection, FhirRecords.Load(Directory.GetFiles(FhirRecords.SampleDirectory, "*.json")));
        var sample = new ClinicalSample(postgres, service, connection);
        using (var channel = service.ConnectAs("database"))
        {
            var cipher = new ColumnCipher(new Cipher.CipherClient(channel), Columns);
            foreach (var (table, columns) in EhrDatabase.Sealed)
            {
                await cipher.SealAsync(connection, table, columns);
            }
        }

        (await service.RunCliAsync(
            service.Backup, "encrypt", "--key", Dumps, "--context", "job=nightly", "-o", sample.Archive, "--",
            Infrastructure.RequireTool("pg_dump", "postgresql-client-15"), "-Fc", "-h", postgres.SocketDirectory, "-U", PostgresFixture.User, connection.Database))
            .ExpectExit(0);
        return sample;
    }

    /// <summary>Every column opens to what it was, and the dump becomes a database of the same content.</summary>
    /// <returns>How many values were opened.</returns>
    public async Task<int> OpenAgainAsync()
    {
        using var channel = service.ConnectAs("database");
        var opening = new ColumnCipher(new Cipher.CipherClient(channel), Columns);
        var values = 0;
        foreach (var (table, columns) in EhrDatabase.Sealed)
        {
            var plain = await ColumnCipher.PlainAsync(connection, table, columns);
            Assert.Equal(plain, await opening.OpenAsync(connection, table, columns));
            values += plain.Count;
        }

        var dump = Path.Combine(service.Directory, "ehr.dump");
        (await service.RunCliAsync(service.Backup, "decrypt", "-o", dump, Archive)).ExpectExit(0);
        var target = await postgres.CreateDatabaseAsync("restored");
        (await Command.RunAsync(
            Infrastructure.RequireTool("pg_restore", "postgresql-client-15"),
            ["-h", postgres.SocketDirectory, "-U", PostgresFixture.User, "--exit-on-error", "-d", target, dump])).ExpectExit(0);
        await using var copy = await postgres.OpenAsync(target);
        Assert.Equal(await EhrDatabase.DigestAsync(connection), await EhrDatabase.DigestAsync(copy));
        return values;
    }
}
