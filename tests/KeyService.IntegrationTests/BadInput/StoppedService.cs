namespace KeyService.IntegrationTests.BadInput;

/// <summary>A service that was initialised, has a key and its principals, and does not run.</summary>
public sealed class StoppedService : IAsyncLifetime
{
    internal ServiceFixture Service { get; } = new();

    public async ValueTask InitializeAsync()
    {
        await Service.InitializeAsync();
        await Service.CreateKeyAsync("edited/one");
        await Service.CreateKeyAsync("edited/two");
        await Service.StopAsync();
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();
}

/// <summary>
/// One stopped service for the tests that start it in a bad way; they run one after the other, since they share its port.
/// </summary>
[CollectionDefinition("Stopped service")]
public sealed class StoppedServiceCollection : ICollectionFixture<StoppedService>;
