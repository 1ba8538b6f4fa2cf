using EhrTable;
using KeyService.Client;
using Npgsql;

// An EHR table with encrypted columns, in PostgreSQL by Npgsql and Dapper.
//
//   dotnet run --project samples/EhrTable -- PROFILE KEY INDEX-KEY CONNECTION-STRING create
//   … insert RECORD-NUMBER NAME [PHONE]     … find RECORD-NUMBER     … list     … rewrap
//
// What stands in a terminal here would stand in a form there: do not type real patients into a command line.
if (args is not [var profile, var key, var indexKey, var connectionString, .. var command] || command.Length == 0)
{
    Console.Error.WriteLine("EhrTable PROFILE KEY INDEX-KEY CONNECTION-STRING create | insert NUMBER NAME [PHONE] | find NUMBER | list | rewrap");
    return 2;
}

try
{
    using var client = KeyServiceClient.Connect(ClientProfile.Load(profile).ToOptions());
    await using var database = NpgsqlDataSource.Create(connectionString);
    var keys = new WrappedKeyTable(database);
    await using var fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = keys });
    await using var index = client.CreateBlindIndex(new BlindIndexOptions { Key = indexKey, Table = keys });
    var patients = new PatientTable(database, fields, index);
    switch (command)
    {
        case ["create"]:
            await PatientTable.CreateAsync(database, keys, index);
            Console.WriteLine("created");
            return 0;
        case ["insert", var number, var name, .. var phone]:
            await patients.InsertAsync(new Patient(Guid.CreateVersion7(), number, name, phone.FirstOrDefault()));
            Console.WriteLine("inserted");
            return 0;
        case ["find", var number]:
            Console.WriteLine(await patients.FindAsync(number) is { } found ? Line(found) : "nobody");
            return 0;
        case ["list"]:
            foreach (var patient in await patients.ListAsync())
            {
                Console.WriteLine(Line(patient));
            }
            return 0;
        case ["rewrap"]:
            var done = await keys.RewrapAsync(client, new Progress<RewrapProgress>(so => Console.Error.WriteLine($"{so.Seen} data keys")));
            Console.WriteLine($"{done.Rewrapped} re-wrapped, {done.Newest} stood under the newest version, {done.Failures.Count} failed");
            return done.Failures.Count == 0 ? 0 : 1;
        default:
            Console.Error.WriteLine($"EhrTable knows no {command[0]}.");
            return 2;
    }
}
catch (KeyServiceException e)
{
    Console.Error.WriteLine($"EhrTable: {e.Reason}: {e.Message} {e.Advice}");
    return 1;
}

static string Line(Patient patient) => $"{patient.RecordNumber}, {patient.Name}, {patient.Phone ?? "no telephone"}";
