using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Storage.Sqlite;
using Npgsql;

namespace KeyService.Server.Hosting;

/// <summary>
/// <c>store import</c>: copies a stopped SQLite store into the PostgreSQL that the configuration names, reads all of it back, and marks the
/// file so that nothing serves from it any more. Interrupted, it goes on where it was when it is run again.
/// </summary>
internal static class StoreImportCommand
{
    public static async Task<ExitCode> RunAsync(string configurationPath, string sqlitePath, DatabaseOwner? owner, CancellationToken cancellation)
    {
        ProcessHardening.DisableCoreDumps();
        CrashDumps.Refuse();
        var configuration = ConfigurationFile.Load(configurationPath);
        if (configuration.Postgres is not { } postgres)
            throw new StartUpException(ExitCode.Configuration, "The configuration names no store.postgres to import into.");
        sqlitePath = Path.GetFullPath(sqlitePath);
        await using var source = SqliteStore.Open(new SqliteStoreOptions { Path = sqlitePath, Mode = StoreMode.ReadOnly }, TimeProvider.System);
        // Held to the end: no server writes what is being copied.
        using var held = StoreLock.Take(sqlitePath);
        if (!(owner ?? new DatabaseOwner(postgres.User, postgres.PasswordFile)).Prepare(configuration, TimeProvider.System))
            throw new StoreOpenException($"{postgres.Description} has the schema of a newer KeyService; import with that version, or into another database.");
        try
        {
            await CopyAsync(source, owner?.Of(postgres) ?? postgres, cancellation);
        }
        catch (NpgsqlException exception)
        {
            throw new StoreUnavailableException(
                $"Copying to {postgres.Description} failed: {PostgresErrors.Explain(exception)}. Run the same command again; it goes on where it was.", exception);
        }
        await VerifyMacsAsync(configuration, cancellation);
        MovedMark.Write(sqlitePath, $"it stands in {postgres.Description} since {TimeProvider.System.GetUtcNow():u}.");
        await Console.Out.WriteLineAsync($"keyservice: {sqlitePath} stands in {postgres.Description}; {MovedMark.PathOf(sqlitePath)} keeps servers from the file");
        return ExitCode.Ok;
    }

    private static async Task CopyAsync(SqliteStore source, PostgresStoreOptions options, CancellationToken cancellation)
    {
        await using var connection = PostgresConnections.OpenForSchema(options);
        var import = new SqliteImport(source, connection);
        var copied = await import.CopyAsync(cancellation);
        foreach (var (table, rows) in (await import.VerifyAsync(cancellation)).OrderBy(each => each.Key, StringComparer.Ordinal))
            await Console.Out.WriteLineAsync($"  {table}: {rows} rows, the same in both ({copied.GetValueOrDefault(table)} copied now)");
    }

    // As a start would: installation, principals, grants, and the log below its marks.
    private static async Task VerifyMacsAsync(ServerConfiguration configuration, CancellationToken cancellation)
    {
        await using var hsm = ServiceCore.OpenHsm(configuration, TimeProvider.System, events: null);
        await using var store = ServiceCore.OpenStore(configuration, StoreMode.ReadOnly, TimeProvider.System);
        var rows = await ServiceCore.LoadIntegrityKeyAsync(store, hsm, configuration, cancellation);
        await AccessRegister.LoadAsync(store, rows, TimeProvider.System, cancellation);
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellation))
        {
            var report = await new AuditVerification(new AuditLog(store, slot), store, rows).RunAsync(cancellation);
            if (report.Findings is [var finding, ..])
                throw new StoreTamperedException("audit_records", $"{slot}/{finding.Sequence}", finding.Finding);
        }
    }
}
