using System.Security.Cryptography;
using System.Text;
using Dapper;
using Npgsql;

namespace KeyService.IntegrationTests.RealInput;

/// <summary>
/// The EHR-like schema: plain tables, and beside them the same tables with encrypted columns (<c>bytea</c>, nullable like the plain
/// ones).
/// </summary>
internal static class EhrDatabase
{
    public const string Schema = """
        CREATE TABLE patients (
            id text PRIMARY KEY, family text, given text, birth_date text, gender text, address text, document text NOT NULL);
        CREATE TABLE encounters (
            id text PRIMARY KEY, patient_id text NOT NULL, class text, type text, started text, ended text, document text NOT NULL);
        CREATE TABLE observations (
            id text PRIMARY KEY, patient_id text NOT NULL, encounter_id text, code text, display text, effective text, value text,
            document text NOT NULL);
        CREATE INDEX ON encounters (patient_id);
        CREATE INDEX ON observations (patient_id);

        CREATE TABLE patients_sealed (
            id text PRIMARY KEY, family bytea, given bytea, birth_date bytea, address bytea, document bytea NOT NULL);
        CREATE TABLE encounters_sealed (id text PRIMARY KEY, type bytea, document bytea NOT NULL);
        CREATE TABLE observations_sealed (id text PRIMARY KEY, display bytea, value bytea, document bytea NOT NULL);
        """;

    /// <summary>Table and columns that hold what identifies or describes a patient: encrypted in the _sealed tables.</summary>
    public static readonly IReadOnlyList<(string Table, string[] Columns)> Sealed =
    [
        ("patients", ["family", "given", "birth_date", "address", "document"]),
        ("encounters", ["type", "document"]),
        ("observations", ["display", "value", "document"]),
    ];

    public static async Task CreateAsync(NpgsqlConnection connection, FhirRecords records)
    {
        await connection.ExecuteAsync(Schema);
        await using var transaction = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync(
            "INSERT INTO patients VALUES (@Id, @Family, @Given, @BirthDate, @Gender, @Address, @Document)", records.Patients, transaction);
        await connection.ExecuteAsync(
            "INSERT INTO encounters VALUES (@Id, @PatientId, @Class, @Type, @Started, @Ended, @Document)", records.Encounters, transaction);
        await connection.ExecuteAsync(
            "INSERT INTO observations VALUES (@Id, @PatientId, @EncounterId, @Code, @Display, @Effective, @Value, @Document)",
            records.Observations, transaction);
        await transaction.CommitAsync();
    }

    /// <summary>
    /// Table by table: number of rows and SHA-256 over all rows in order. Two databases with the same contents are equal here.
    /// </summary>
    public static async Task<IReadOnlyDictionary<string, string>> DigestAsync(NpgsqlConnection connection)
    {
        var tables = await connection.QueryAsync<string>(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name");
        var digests = new Dictionary<string, string>();
        foreach (var table in tables)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var rows = 0;
            foreach (var row in await connection.QueryAsync<string>($"SELECT t::text FROM {table} t ORDER BY id"))
            {
                hash.AppendData(Encoding.UTF8.GetBytes(row));
                hash.AppendData([0]);
                rows++;
            }
            digests[table] = $"{rows} rows, {Convert.ToHexString(hash.GetHashAndReset())}";
        }
        return digests;
    }
}
