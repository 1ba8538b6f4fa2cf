using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using Microsoft.Data.Sqlite;

namespace KeyService.Tests.Storage;

/// <summary>A store file of its own in a directory of its own, gone after the test.</summary>
internal sealed class StoreFile : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("keyservice-store-");

    public string Path => System.IO.Path.Combine(_directory.FullName, "keyservice.db");

    public string Folder => _directory.FullName;

    public SqliteStoreOptions Options => new() { Path = Path, Mode = StoreMode.Create };

    public SqliteStore Open(TimeProvider? time = null) => SqliteStore.Open(Options, time ?? new TestTime());

    /// <summary>Somebody else's hand in the file, past the service.</summary>
    public int Edit(string sql)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path, Pooling = false }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteNonQuery();
    }

    public T Ask<T>(string sql)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path, Pooling = false }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (T)command.ExecuteScalar()!;
    }

    public void Dispose() => _directory.Delete(recursive: true);
}
