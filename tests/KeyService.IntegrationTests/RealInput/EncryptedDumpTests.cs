using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.RealInput;

/// <summary>
/// A database dumped through <c>keyservice encrypt -- pg_dump</c>, decrypted, restored into a second database and compared.
/// </summary>
[Collection("EHR")]
public sealed class EncryptedDumpTests(ServiceFixture service, PostgresFixture postgres)
{
    [Fact]
    public Task The_sample_database_comes_back_from_an_encrypted_dump() =>
        DumpAndRestore("ehr-backup/sample", Directory.GetFiles(FhirRecords.SampleDirectory, "*.json"));

    [Fact]
    [Trait("Duration", "long")]
    public async Task The_Synthea_database_comes_back_from_an_encrypted_dump()
    {
        using var synthea = await SyntheaBundles.UnpackAsync();
        await DumpAndRestore("ehr-backup/synthea", synthea.Files);
    }

    [Fact]
    public async Task A_dump_that_fails_leaves_no_archive_and_its_own_words()
    {
        await service.CreateKeyAsync("ehr-backup/failing");
        var archive = Path.Combine(service.Directory, "failing.ksa");

        var result = await service.RunCliAsync(
            service.Backup, "encrypt", "--key", "ehr-backup/failing", "-o", archive, "--",
            Infrastructure.RequireTool("pg_dump", "postgresql-client-15"),
            "-h", postgres.SocketDirectory, "-U", PostgresFixture.User, "no_such_database");

        result.ExpectExit(7);
        Assert.Contains("no_such_database", result.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(archive));
    }

    private async Task DumpAndRestore(string key, IEnumerable<string> bundles)
    {
        await service.CreateKeyAsync(key);
        var (source, target) = (await postgres.CreateDatabaseAsync("ehr"), await postgres.CreateDatabaseAsync("restored"));
        await using var connection = await postgres.OpenAsync(source);
        await EhrDatabase.CreateAsync(connection, FhirRecords.Load(bundles));
        using var channel = service.ConnectAs("database");
        await new ColumnCipher(new Cipher.CipherClient(channel), key).SealAsync(connection, "patients", ["family", "document"]);
        var (archive, dump) = (Path.Combine(service.Directory, $"{target}.ksa"), Path.Combine(service.Directory, $"{target}.dump"));

        (await service.RunCliAsync(
            service.Backup, "encrypt", "--key", key, "--context", "job=nightly", "-o", archive, "--",
            Infrastructure.RequireTool("pg_dump", "postgresql-client-15"),
            "-Fc", "-h", postgres.SocketDirectory, "-U", PostgresFixture.User, source))
            .ExpectExit(0);
        Assert.False(await ContainsAsync(archive, "PGDMP"));
        (await service.RunCliAsync(service.Backup, "decrypt", "-o", dump, archive)).ExpectExit(0);
        Assert.True(await ContainsAsync(dump, "PGDMP"));
        (await Command.RunAsync(
            Infrastructure.RequireTool("pg_restore", "postgresql-client-15"),
            ["-h", postgres.SocketDirectory, "-U", PostgresFixture.User, "--exit-on-error", "-d", target, dump])).ExpectExit(0);

        await using var restored = await postgres.OpenAsync(target);
        Assert.Equal(await EhrDatabase.DigestAsync(connection), await EhrDatabase.DigestAsync(restored));
    }

    private static async Task<bool> ContainsAsync(string file, string marker) =>
        (await File.ReadAllBytesAsync(file)).AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(marker)) >= 0;
}
