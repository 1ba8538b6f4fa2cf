using System.Security.Cryptography;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>A service with a secret planted in its memory, for <see cref="MemoryTests"/>.</summary>
public sealed class CanaryService : IAsyncLifetime
{
    internal ServiceFixture Service { get; } = new();

    /// <summary>Stands in the environment of each process that is searched.</summary>
    internal string Planted { get; } = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));

    internal string Pin { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Service.Environment["KEYSERVICE_TEST_CANARY"] = Planted;
        await Service.InitializeAsync();
        await Service.CreateKeyAsync(KeyHolder.Key);
        await Service.RegisterUnixUserAsync("me");
        Pin = (await File.ReadAllTextAsync(Path.Combine(Service.Directory, "pin"))).Trim();
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();
}
