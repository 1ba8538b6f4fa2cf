using System.Data.Common;
using Dapper;

namespace KeyService.Server.Trust;

/// <summary>A row as it stands: what of it the log has to know.</summary>
/// <param name="RowId">As <see cref="Storage.RowAuthenticator.SealAsync"/> got it.</param>
/// <param name="Revision">Its revision.</param>
/// <param name="Canonical">Its canonical bytes, docs/spec/store.md.</param>
internal readonly record struct DecidingRow(string RowId, long Revision, byte[] Canonical);

/// <summary>
/// How the rows of a table of deciding rows are read, page by page in the order of its key. Each capability declares its tables beside their SQL.
/// </summary>
internal abstract class DecidingTable(string name)
{
    /// <summary>Rows a page, so that no reading connection is held for long.</summary>
    public const int PageSize = 1000;

    public string Name { get; } = name;

    /// <typeparam name="TRow">The row as Dapper reads it; its properties are the parameters of <paramref name="after"/>.</typeparam>
    /// <param name="name">The table.</param>
    /// <param name="select">SELECT … FROM …, without WHERE.</param>
    /// <param name="key">The columns of the primary key, separated by commas.</param>
    /// <param name="after">The parameters that hold a row's key, in the same order.</param>
    /// <param name="read">From the row to what the log knows of it.</param>
    public static DecidingTable Of<TRow>(string name, string select, string key, string after, Func<TRow, DecidingRow> read)
        where TRow : class => new Typed<TRow>(name, select, key, after, read);

    /// <summary>A reader of the table that stands before its first row.</summary>
    public abstract IPages Read();

    /// <summary>A place in the table.</summary>
    internal interface IPages
    {
        /// <summary>The next rows; empty at the end.</summary>
        Task<IReadOnlyList<DecidingRow>> NextAsync(DbConnection connection, DbTransaction? transaction);
    }

    private sealed class Typed<TRow>(string name, string select, string key, string after, Func<TRow, DecidingRow> read) : DecidingTable(name)
        where TRow : class
    {
        private readonly string _first = $"{select} ORDER BY {key} LIMIT {PageSize}";
        private readonly string _next = $"{select} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT {PageSize}";

        public override IPages Read() => new Pages(this);

        private sealed class Pages(Typed<TRow> table) : IPages
        {
            private TRow? _last;

            public async Task<IReadOnlyList<DecidingRow>> NextAsync(DbConnection connection, DbTransaction? transaction)
            {
                var page = (await connection.QueryAsync<TRow>(_last is null ? table._first : table._next, _last, transaction)).AsList();
                if (page.Count > 0)
                {
                    _last = page[^1];
                }

                return page.ConvertAll(row => table.Read(row));
            }
        }

        private DecidingRow Read(TRow row) => read(row);
    }
}
