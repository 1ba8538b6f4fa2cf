using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>Which SQLite errors are the store's own trouble and which are the statement's.</summary>
internal static class SqliteErrors
{
    // Primary result codes of https://www.sqlite.org/rescode.html
    private const int Permission = 3, Busy = 5, Locked = 6, NoMemory = 7, ReadOnly = 8, Interrupt = 9, InputOutput = 10, Corrupt = 11,
        Full = 13, CannotOpen = 14, Protocol = 15, NotADatabase = 26;

    /// <summary>True when the file or the disk is at fault, so that the call is refused as unavailable and not as wrong.</summary>
    public static bool IsStoreFault(SqliteException error) => error.SqliteErrorCode
        is Permission or Busy or Locked or NoMemory or ReadOnly or Interrupt or InputOutput or Corrupt or Full or CannotOpen or Protocol or NotADatabase;

    public static StoreUnavailableException Unavailable(string doing, SqliteException error) =>
        new($"{doing} failed: {Explain(error)}", error);

    /// <summary>One sentence with what to look at.</summary>
    public static string Explain(SqliteException error) => error.SqliteErrorCode switch
    {
        Full => "the disk is full",
        InputOutput => $"the disk reports an I/O error (SQLite {error.SqliteExtendedErrorCode})",
        ReadOnly or Permission => "the file or its directory cannot be written by this user",
        CannotOpen => "the file cannot be opened; look at its path and permissions",
        Corrupt => "the file is damaged; restore it from a backup",
        NotADatabase => "the file is not a SQLite database",
        Busy or Locked => "another program holds a lock on the file",
        _ => $"SQLite {error.SqliteExtendedErrorCode}: {error.Message}",
    };
}
