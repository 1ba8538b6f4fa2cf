using KeyService.Server.Storage;
using KeyService.Tests.Storage;

namespace KeyService.IntegrationTests.Storage;

public sealed class PostgresStoreContractTests(PostgresFixture server) : StoreContract, IClassFixture<PostgresFixture>
{
    private PostgresDatabase? _database;

    private protected override async ValueTask<IStore> OpenAsync() => (_database ??= await PostgresDatabase.MakeAsync(server)).Open();
}
