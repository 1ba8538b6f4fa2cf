using System.Data.Common;
using Npgsql;

namespace KeyService.Server.Storage;

/// <summary>"One of these values", for a parameter that is an array: the databases have no words for it in common.</summary>
internal static class Among
{
    /// <summary>What comes behind the column. PostgreSQL takes the array as one value; for SQLite Dapper writes a parameter for each.</summary>
    public static string Values(DbConnection connection, string parameter) =>
        connection is NpgsqlConnection ? $"= ANY(@{parameter})" : $"IN @{parameter}";
}
