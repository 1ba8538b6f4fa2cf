namespace KeyService.IntegrationTests.Samples;

/// <summary>samples/BackupJob as its README runs it: a real pg_dump, a real service.</summary>
[Collection("EHR")]
public sealed class BackupJobTests(ServiceFixture service, PostgresFixture postgres)
{
    [Fact]
    public async Task A_database_is_backed_up_verified_and_restored()
    {
        await service.CreateKeyAsync("ehr-backup/job");
        var source = await postgres.CreateDatabaseAsync("job");
        await using (var connection = await postgres.OpenAsync(source))
        {
            await using var fill = connection.CreateCommand();
            fill.CommandText = "CREATE TABLE labs AS SELECT n AS id, md5(n::text) AS value FROM generate_series(1, 20000) n";
            await fill.ExecuteNonQueryAsync();
        }
        var archive = Path.Combine(service.Directory, "job.ksa");

        var done = (await RunAsync("ehr-backup/job", archive, "-Fc", source)).ExpectExit(0);

        Assert.Contains("pg_dump, verified", done.Text, StringComparison.Ordinal);
        Assert.Equal([archive], Directory.GetFiles(service.Directory, "job.ksa*"));
        var target = await postgres.CreateDatabaseAsync("restored");
        var restore = $"{Infrastructure.RequireTool("pg_restore", "postgresql-client-15")} -h {postgres.SocketDirectory} "
            + $"-U {PostgresFixture.User} --exit-on-error -d {target}";
        (await service.RunCliAsync(service.Backup, "verify", "--restore-test", restore, archive)).ExpectExit(0);
        await using var restored = await postgres.OpenAsync(target);
        await using var count = restored.CreateCommand();
        count.CommandText = "SELECT count(*) FROM labs WHERE value = md5(id::text)";
        Assert.Equal(20000L, await count.ExecuteScalarAsync());

        // A name that is taken stays what it is.
        var before = await File.ReadAllBytesAsync(archive);
        (await RunAsync("ehr-backup/job", archive, "-Fc", source)).ExpectExit(1);
        Assert.Equal(before, await File.ReadAllBytesAsync(archive));
    }

    [Fact]
    public async Task A_dump_that_fails_and_a_key_that_is_not_there_leave_no_archive()
    {
        await service.CreateKeyAsync("ehr-backup/no-job");
        var archive = Path.Combine(service.Directory, "no-job.ksa");
        var failed = (await RunAsync("ehr-backup/no-job", archive, "no_such_database")).ExpectExit(1);
        Assert.Contains("nothing was sealed", failed.Error, StringComparison.Ordinal);
        (await RunAsync("no/such-key", archive, "postgres")).ExpectExit(1);
        Assert.Empty(Directory.GetFiles(service.Directory, "no-job.ksa*"));
    }

    private Task<CommandResult> RunAsync(string key, string archive, params string[] dump) => Command.RunAsync(
        Executables.BackupJob,
        [
            service.Backup.ProfilePath, key, archive, Infrastructure.RequireTool("pg_dump", "postgresql-client-15"),
            "-h", postgres.SocketDirectory, "-U", PostgresFixture.User, .. dump,
        ]);
}
