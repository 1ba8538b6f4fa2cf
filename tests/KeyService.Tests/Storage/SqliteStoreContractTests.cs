using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

public sealed class SqliteStoreContractTests : StoreContract, IDisposable
{
    private readonly StoreFile _file = new();

    private protected override ValueTask<IStore> OpenAsync() => ValueTask.FromResult<IStore>(_file.Open());

    public void Dispose() => _file.Dispose();
}
