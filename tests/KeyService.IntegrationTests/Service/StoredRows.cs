using Dapper;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Service;

/// <summary>What somebody sees who can read the database file, beside the running service.</summary>
internal static class StoredRows
{
    public static async Task<byte[]> ReadBlobAsync(string storePath, string sql, long id)
    {
        await using var connection = new SqliteConnection($"Data Source={storePath};Mode=ReadOnly;Pooling=False");
        return await connection.QuerySingleAsync<byte[]>(sql, new { id });
    }
}
