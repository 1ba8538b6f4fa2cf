using System.Data.Common;
using System.Net.Sockets;
using Grpc.Net.Client;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Tests.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace KeyService.Tests.Server;

/// <summary>
/// The real pipeline on real Kestrel over a Unix socket, with the log in memory: a test can hold a commit back, let it fail, and
/// read what was recorded.
/// </summary>
internal sealed class PipelineHost : IAsyncDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-pipeline-").FullName;
    private readonly WebApplication application;

    private PipelineHost(LimitsConfiguration limits, Principal caller, Action<IEndpointRouteBuilder> map, ProbeBehaviour behaviour,
        DateTimeOffset? notAfter, TimeProvider time)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.AddProvider(Log);
        var services = builder.Services;
        services.AddRouting();
        services.AddSingleton(time);
        services.AddSingleton(behaviour);
        services.AddSingleton(limits);
        services.AddSingleton<IStore>(Store);
        services.AddSingleton<RequestLedger>();
        services.AddSingleton(
            new RowAuthenticator((row, _) => new ValueTask<byte[]>(System.Security.Cryptography.SHA256.HashData(row.Span))));
        services.AddSingleton(SoftwareRows.NewContexts());
        services.AddSingleton(Access);
        services.AddPipeline();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(SocketPath, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            UnixSocketListener.Configure(listen);
            if (notAfter is { } end)
            {
                listen.Use(next => async connection =>
                {
                    PeerOfConnection.Set(connection.Items, new Peer("mtls", [Myself.Credential], "test", end));
                    await next(connection);
                });
            }
        }));
        application = builder.Build();
        application.UseRouting();
        application.UsePipeline();
        map(application);
        Access.Apply(caller);
    }

    public MemoryStore Store { get; } = new();

    public AccessRegister Access { get; } = new(TimeProvider.System);

    public CollectedLog Log { get; } = new();

    public GrpcChannel Channel { get; private set; } = null!;

    private string SocketPath => Path.Combine(directory, "pipeline.sock");

    /// <summary>A principal for this process's own user, as SO_PEERCRED will name it.</summary>
    public static Principal Myself { get; } = new()
    {
        Name = "me",
        Type = PrincipalType.Service,
        Credential = new Credential(CredentialKind.UnixUid, Environment.IsPrivilegedProcess ? "0" : Uid()),
        Disabled = false,
        CreateTime = DateTimeOffset.UnixEpoch,
        Revision = 1,
    };

    public static async Task<PipelineHost> StartAsync(
        Action<IEndpointRouteBuilder> map, LimitsConfiguration? limits = null, Principal? caller = null, ProbeBehaviour? behaviour = null,
        DateTimeOffset? notAfter = null, TimeProvider? time = null)
    {
        var host = new PipelineHost(
            limits ?? new LimitsConfiguration(), caller ?? Myself, map, behaviour ?? new ProbeBehaviour(), notAfter, time ?? TimeProvider.System);
        await host.application.StartAsync();
        host.Channel = GrpcChannel.ForAddress(
            "http://localhost", new GrpcChannelOptions { DisposeHttpClient = true, HttpHandler = host.NewHandler() });
        return host;
    }

    public HttpClient NewHttpClient() => new(NewHandler());

    private SocketsHttpHandler NewHandler() => new()
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };

    public Task StopAsync() => application.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await application.StopAsync();
        await application.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    private static string Uid() =>
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
}

/// <summary>A log in memory. Commits wait while <see cref="Hold"/> is set and fail while <see cref="Fails"/> is.</summary>
internal sealed class MemoryStore : IStore
{
    private readonly Lock gate = new();
    private readonly List<AuditRecordDraft> records = [];

    public TaskCompletionSource? Hold { get; set; }

    public bool Fails { get; set; }

    public IReadOnlyList<AuditRecordDraft> Records
    {
        get
        {
            lock (gate)
                return [.. records];
        }
    }

    public int Slot => 0;

    public long LastSequence => Records.Count - 1;

    public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> read, CancellationToken cancellationToken) => throw new NotSupportedException();

    public async Task<CommitReceipt> CommitAsync(
        AuditRecordDraft record, Func<IStoreTransaction, Task>? change, CancellationToken cancellationToken)
    {
        if (Hold is { } hold)
            await hold.Task;
        if (Fails)
            throw new StoreUnavailableException("The disk is full.");
        lock (gate)
        {
            records.Add(record);
            return new CommitReceipt(0, records.Count - 1, DateTimeOffset.UnixEpoch);
        }
    }

    public ValueTask<long> WaitForRecordAsync(long sequence, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<StoreHealth> ProbeAsync(CancellationToken cancellationToken) => new(new StoreHealth(!Fails, "", TimeSpan.Zero));

    public Task<StoreRole?> TryTakeRoleAsync(string role, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => default;
}

/// <summary>Log lines, to be looked through.</summary>
internal sealed class CollectedLog : ILoggerProvider, ILogger
{
    private readonly Lock gate = new();
    private readonly List<string> lines = [];

    public string Text
    {
        get
        {
            lock (gate)
                return string.Join('\n', lines);
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (gate)
            lines.Add($"{logLevel} {eventId.Id} {formatter(state, exception)} {exception}");
    }

    public void Dispose()
    {
    }
}
