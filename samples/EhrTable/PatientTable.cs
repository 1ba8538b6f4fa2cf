using Dapper;
using KeyService.Client;
using Npgsql;

namespace EhrTable;

/// <summary>A patient as the program sees one.</summary>
internal sealed record Patient(Guid Id, string RecordNumber, string Name, string? Phone);

/// <summary>
/// A table with three encrypted columns: the record number (found through a blind index), the name (binary), the telephone number (text,
/// may be null). Ids are drawn here, so that a row has its key before anything is encrypted for it.
/// </summary>
internal sealed class PatientTable(NpgsqlDataSource database, FieldEncryption fields, BlindIndex index)
{
    private static readonly EncryptedColumn RecordNumber = new("ehr", "patient", "record_number");
    private static readonly EncryptedColumn Name = new("ehr", "patient", "name");
    private static readonly EncryptedColumn Phone = new("ehr", "patient", "phone");

    private readonly BlindIndexColumn recordNumberIndex =
        index.Column(RecordNumber, normalise: BlindIndexNormalisation.LettersAndDigits);

    public static async Task CreateAsync(NpgsqlDataSource database, WrappedKeyTable keys, BlindIndex index)
    {
        await keys.CreateAsync();
        await index.CreateKeyAsync();
        await using var connection = await database.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            CREATE TABLE IF NOT EXISTS patient (
                id uuid PRIMARY KEY,
                record_number bytea NOT NULL,
                record_number_index bytea NOT NULL UNIQUE,
                name bytea NOT NULL,
                phone text)
            """);
    }

    public async Task InsertAsync(Patient patient)
    {
        await using var connection = await database.OpenConnectionAsync();
        await connection.ExecuteAsync(
            "INSERT INTO patient VALUES (@Id, @RecordNumber, @RecordNumberIndex, @Name, @Phone)",
            new
            {
                patient.Id,
                RecordNumber = await fields.EncryptAsync(RecordNumber.Row(patient.Id), patient.RecordNumber),
                RecordNumberIndex = await recordNumberIndex.ComputeAsync(patient.RecordNumber),
                Name = await fields.EncryptAsync(Name.Row(patient.Id), patient.Name),
                Phone = await fields.EncryptToTextAsync(Phone.Row(patient.Id), patient.Phone),
            });
    }

    public async Task<Patient?> FindAsync(string recordNumber)
    {
        await using var connection = await database.OpenConnectionAsync();
        var row = await connection.QuerySingleOrDefaultAsync<Row>(
            "SELECT id, record_number AS RecordNumber, name, phone FROM patient WHERE record_number_index = @Index",
            new { Index = await recordNumberIndex.ComputeAsync(recordNumber) });
        return row is null ? null : await OpenAsync(row);
    }

    public async Task<IReadOnlyList<Patient>> ListAsync()
    {
        await using var connection = await database.OpenConnectionAsync();
        var rows = await connection.QueryAsync<Row>("SELECT id, record_number AS RecordNumber, name, phone FROM patient ORDER BY id");
        var patients = new List<Patient>();
        foreach (var row in rows)
        {
            patients.Add(await OpenAsync(row));
        }
        return patients;
    }

    private async Task<Patient> OpenAsync(Row row) => new(
        row.Id,
        (await fields.DecryptToTextAsync(RecordNumber.Row(row.Id), row.RecordNumber))!,
        (await fields.DecryptToTextAsync(Name.Row(row.Id), row.Name))!,
        await fields.DecryptToTextAsync(Phone.Row(row.Id), row.Phone));

    private sealed record Row(Guid Id, byte[] RecordNumber, byte[] Name, string? Phone);
}
