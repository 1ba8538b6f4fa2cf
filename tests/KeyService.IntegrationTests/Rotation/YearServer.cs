using System.Text;
using Grpc.Net.Client;
using KeyService.IntegrationTests.BadDays;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>One of the servers of a year: its life ends often, and the next one goes on with its configuration and its data directory.</summary>
/// <param name="port">Where it listens by mutual TLS beside its Unix socket.</param>
/// <param name="seen">The file in which it keeps what it has seen, written at each look at store and clock.</param>
internal sealed class YearServer(string config, string socket, int port, string seen, IReadOnlyDictionary<string, string?> environment)
    : IAsyncDisposable
{
    // A look that began before the clock moved may write its file a moment after.
    private static readonly TimeSpan UnderWay = TimeSpan.FromMilliseconds(250);

    private readonly GrpcChannel _channel = GrpcClients.ConnectUnix(socket);
    private readonly StringBuilder _earlierLogs = new();
    private ServerProcess? _process;
    private DateTime _startedAt;
    private bool _frozen;

    public string Config => config;

    public Uri Endpoint => new($"https://localhost:{port}");

    /// <summary>It runs and is not frozen.</summary>
    public bool Answers => _process is not null && !_frozen;

    /// <summary>What it wrote in all its lives.</summary>
    public string Log => _earlierLogs + _process?.Log;

    public DataKeys.DataKeysClient DataKeys => new(_channel);

    public Cipher.CipherClient Cipher => new(_channel);

    public Keys.KeysClient Keys => new(_channel);

    public Protocol.V1.Rotation.RotationClient Rotation => new(_channel);

    public async Task StartAsync()
    {
        var begun = DateTime.UtcNow;
        _process = await ServerProcess.StartAsync(config, environment);
        _startedAt = begun;
    }

    /// <summary>SIGKILL, frozen or not.</summary>
    public async Task KillAsync()
    {
        var process = _process!;
        _process = null;
        _frozen = false;
        await process.KillAsync();
        _earlierLogs.Append(process.Log);
    }

    /// <summary>It hangs, and keeps its sessions of the database with the roles that it has.</summary>
    public void Freeze()
    {
        _process!.Freeze();
        _frozen = true;
    }

    /// <summary>Waits until it has looked at the clock since a moment; a start does that too.</summary>
    public Task LookedAsync(DateTime since) => Until.TrueAsync(
        () => !Answers || _startedAt > since || File.GetLastWriteTimeUtc(seen) > since + UnderWay, "a look at the clock");

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        if (_process is not null)
        {
            await KillAsync();
        }
    }
}
