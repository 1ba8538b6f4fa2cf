using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.IntegrationTests.Hsm;
using KeyService.Protocol.V1;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>A service whose HSM is a simulated device (HsmSim over SoftHSM, a third of a millisecond a call), and what its bad days must not break.</summary>
public sealed class HsmService : IAsyncLifetime
{
    internal const string Key = "bad-day";

    /// <summary>Much longer than the service takes to refuse: a call that ends by it has hung.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private GrpcChannel administrator = null!;
    private GrpcChannel database = null!;

    internal ServiceFixture Service { get; } = new();

    internal HsmSimControl Hsm { get; private set; } = null!;

    internal Cipher.CipherClient Cipher { get; private set; } = null!;

    internal Access.AccessClient Access { get; private set; } = null!;

    private DataKeys.DataKeysClient DataKeys { get; set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await SimulateAsync();
        await Service.InitializeAsync();
        await Service.CreateKeyAsync(Key);
        (administrator, database) = (Service.ConnectAs("administrator"), Service.ConnectAs("database"));
        (Cipher, Access, DataKeys) = (new(database), new(administrator), new(database));
    }

    /// <summary>Puts the simulator between the service and its token, before the service is made.</summary>
    internal async Task SimulateAsync()
    {
        Infrastructure.RequireSoftHsm();
        var module = await HsmSimControl.ModuleAsync();
        Hsm = new HsmSimControl(Service.Directory, "latency * fixed 300us");
        foreach (var (name, value) in Hsm.Environment(Infrastructure.SoftHsmModule))
        {
            Service.Environment[name] = value;
        }
        Service.Configure = configuration =>
        {
            var hsm = (Dictionary<string, object?>)configuration["hsm"]!;
            hsm["module"] = module;
            hsm["watchdogSeconds"] = 3;
            configuration["limits"] = new Dictionary<string, object?> { ["shutdownSeconds"] = 1 };
        };
    }

    public async ValueTask DisposeAsync()
    {
        Hsm?.Clear();
        administrator?.Dispose();
        database?.Dispose();
        await Service.DisposeAsync();
    }

    /// <summary>
    /// The HSM goes: what needs it is refused as unavailable, long before the deadline and never as "does not open"; health says no and why; fields whose key
    /// is at hand are encrypted and decrypted as before. The HSM returns: all goes on in the same process, and what was answered before still holds.
    /// </summary>
    internal async Task SurvivesAsync(Action begin, Action end, string why)
    {
        var process = Service.ServerId;
        using var health = new HealthChannel(Service);
        await health.BecomesAsync(ServingStatus.Serving);
        var (issued, digest) = await IssueAsync();
        var before = await SealAsync("before");
        begin();
        try
        {
            await RefusedAsync(() => IssueAsync());
            await RefusedAsync(() => UnwrapAsync(issued));
            await RefusedAsync(() => Service.CreateKeyAsync($"{Key}/never"));
            await health.BecomesAsync(ServingStatus.NotServing);
            await Until.TrueAsync(async () => (await HsmStatusAsync()).Detail.Contains(why, StringComparison.Ordinal), $"'{why}' in the status of the HSM");
            Assert.Equal("before", await OpenAsync(before));
            Assert.Equal("meanwhile", await OpenAsync(await SealAsync("meanwhile")));
        }
        finally
        {
            end();
        }
        await health.BecomesAsync(ServingStatus.Serving);
        Assert.True((await HsmStatusAsync()).Healthy);
        Assert.Equal(digest, SHA256.HashData(await UnwrapAsync(issued)));
        await WorksAsync();
        Assert.Equal("before", await OpenAsync(before));
        Assert.Equal(process, Service.ServerId);
        Assert.Equal("", Hsm.Log);
    }

    /// <summary>A data key is issued and opens, and a key is made.</summary>
    internal async Task WorksAsync()
    {
        var (wrapped, digest) = await IssueAsync();
        Assert.Equal(digest, SHA256.HashData(await UnwrapAsync(wrapped)));
        await Service.CreateKeyAsync($"{Key}/{Guid.NewGuid():N}");
    }

    internal static Task<string> RefusedAsync(Func<Task> call) => KeyService.IntegrationTests.Service.Calls.RefusedAsync(Reason.HsmUnavailable, call);

    internal async Task<(ByteString Wrapped, byte[] Digest)> IssueAsync(TimeSpan? deadline = null)
    {
        var answer = await DataKeys.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = Key, Binding = Answers.Binding }, In(deadline ?? Patience));
        return (answer.Wrapped, SHA256.HashData(answer.Plaintext.Span));
    }

    internal async Task<byte[]> UnwrapAsync(ByteString wrapped) =>
        (await DataKeys.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = wrapped, Binding = Answers.Binding }, In(Patience))).Plaintext.ToByteArray();

    internal async Task<ByteString> SealAsync(string text) => (await Cipher.EncryptAsync(
        new EncryptRequest { Key = Key, Context = Answers.Context(), Plaintext = ByteString.CopyFromUtf8(text) }, In(Patience))).Ciphertext;

    internal async Task<string> OpenAsync(ByteString ciphertext) => (await Cipher.DecryptAsync(
        new DecryptRequest { Context = Answers.Context(), Ciphertext = ciphertext }, In(Patience))).Plaintext.ToStringUtf8();

    internal static CallOptions In(TimeSpan time) => new(deadline: DateTime.UtcNow + time);

    private async Task<ComponentStatus> HsmStatusAsync() =>
        (await new Protocol.V1.System.SystemClient(database).GetStatusAsync(new GetStatusRequest(), In(Patience))).Components.Single(component => component.Name == "hsm");
}
