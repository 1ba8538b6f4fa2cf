using Grpc.Core;
using Grpc.Net.Client;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Replicas;

/// <summary>One server of a fleet: a process, its configuration, and the channels of its clients. One that was ended does not come back: another takes its place.</summary>
internal sealed class Replica(string name, string configPath, ServerProcess process, Func<string, GrpcChannel> connect) : IAsyncDisposable
{
    private volatile bool away;

    public string Name { get; } = name;

    public string ConfigPath { get; } = configPath;

    public int ProcessId => process.Id;

    /// <summary>What it wrote to stdout and stderr.</summary>
    public string Log => process.Log;

    public GrpcChannel Administrator { get; } = connect("administrator");

    public GrpcChannel Database { get; } = connect("database");

    public GrpcChannel Backup { get; } = connect("backup");

    /// <summary>Whether it was told to end, or was killed: calls to it may fail from then on, and at no time before.</summary>
    public bool IsAway => away;

    public async Task<bool> RotatesAsync() => (await new Protocol.V1.Rotation.RotationClient(Administrator).GetRotationStatusAsync(new GetRotationStatusRequest())).RotatesHere;

    /// <summary>Encrypts a field that is named after its trace.</summary>
    public static async Task<Answer> EncryptAsync(GrpcChannel channel, string key, Metadata headers, string trace)
    {
        var made = await new Cipher.CipherClient(channel).EncryptAsync(
            new EncryptRequest { Key = key, Context = Answers.Context(trace), Plaintext = Answers.Plaintext(trace) }, headers);
        return new SealedField(trace, made.Ciphertext, trace);
    }

    /// <summary>SIGKILL.</summary>
    public Task KillAsync()
    {
        away = true;
        return process.KillAsync();
    }

    /// <summary>SIGTERM; returns when it has ended well.</summary>
    public async Task StopAsync()
    {
        away = true;
        var code = await process.StopAsync();
        Assert.True(code == 0, $"{Name} ended with {code}:\n{Log}");
    }

    public async ValueTask DisposeAsync()
    {
        Administrator.Dispose();
        Database.Dispose();
        Backup.Dispose();
        // Whatever state a failed test left it in.
        await KillAsync();
    }
}
