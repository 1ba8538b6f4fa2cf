using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// The declaration of an encrypted column. Declare each once, as a static field, and ask it for the row: <c>Ssn.Row(patientId)</c>. The
/// names are bound into every field, so they are given for good: renaming a table in the database leaves its declaration as it was.
/// </summary>
public sealed class EncryptedColumn
{
    private readonly ContextTemplate[] templates;

    /// <param name="database">Name of the database or application, the same wherever its data is copied to. No patient data.</param>
    /// <param name="table">Name of the table, with its schema if two tables share the name.</param>
    /// <param name="column">Name of the column.</param>
    /// <param name="also">Further pairs that are the same for every row: a tenant, say. None may be called database, table, column or row.</param>
    /// <exception cref="InvalidContextException">A name breaks a rule of contexts (docs/spec/context.md).</exception>
    public EncryptedColumn(string database, string table, string column, EncryptionContext? also = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(database);
        ArgumentException.ThrowIfNullOrEmpty(table);
        ArgumentException.ThrowIfNullOrEmpty(column);
        Database = database;
        Table = table;
        Column = column;
        Context = EncryptionContext
            .Create([new("database", database), new("table", table), new("column", column)])
            .Merge(also ?? EncryptionContext.Empty);
        templates =
        [
            ContextTemplate.Create(Context, "row"),
            ContextTemplate.Create(Context, "row1", "row2"),
            ContextTemplate.Create(Context, "row1", "row2", "row3"),
            ContextTemplate.Create(Context, "row1", "row2", "row3", "row4"),
        ];
    }

    /// <summary>Name of the database or application.</summary>
    public string Database { get; }

    /// <summary>Name of the table.</summary>
    public string Table { get; }

    /// <summary>Name of the column.</summary>
    public string Column { get; }

    /// <summary>What the fields of all rows have in common.</summary>
    public EncryptionContext Context { get; }

    /// <summary>The column in the row with this key.</summary>
    /// <exception cref="ArgumentException">
    /// The key is 0, empty or a UUID of zeros: most often a row that is not inserted yet. Insert it first, or draw its key in the program.
    /// (A row that truly has the key 0 is named by its text, "0": the context is the same.)
    /// </exception>
    public RowContext Row(RowKey key)
    {
        if (key.IsUnset)
        {
            throw new ArgumentException(
                "This row has no key yet (0, empty, or a UUID of zeros): what is encrypted for it could be moved to any other row without one. "
                + "Insert the row first, or draw its key in the program.", nameof(key));
        }
        var keys = default(RowKeys);
        keys[0] = key;
        return new RowContext(this, templates[0], keys);
    }

    /// <summary>The column in the row with this key of two values, in the order of the table's primary key.</summary>
    public RowContext Row(RowKey first, RowKey second)
    {
        var keys = default(RowKeys);
        (keys[0], keys[1]) = (first, second);
        return new RowContext(this, templates[1], keys);
    }

    /// <summary>The column in the row with this key of three values.</summary>
    public RowContext Row(RowKey first, RowKey second, RowKey third)
    {
        var keys = default(RowKeys);
        (keys[0], keys[1], keys[2]) = (first, second, third);
        return new RowContext(this, templates[2], keys);
    }

    /// <summary>The column in the row with this key of four values.</summary>
    public RowContext Row(RowKey first, RowKey second, RowKey third, RowKey fourth)
    {
        var keys = default(RowKeys);
        (keys[0], keys[1], keys[2], keys[3]) = (first, second, third, fourth);
        return new RowContext(this, templates[3], keys);
    }

    /// <summary>Database, table and column.</summary>
    public override string ToString() => $"{Database}.{Table}.{Column}";
}
