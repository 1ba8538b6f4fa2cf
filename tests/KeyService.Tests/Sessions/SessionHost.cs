using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Search;
using KeyService.Server.BreakGlass;
using KeyService.Server.Hosting;
using KeyService.Server.Pipeline;
using KeyService.Server.Sessions;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Credential = KeyService.Server.Access.Credential;
using Grant = KeyService.Server.Access.Grant;
using Principal = KeyService.Server.Access.Principal;
using PrincipalType = KeyService.Server.Access.PrincipalType;
using AuditRecord = KeyService.Crypto.AuditRecord;

namespace KeyService.Tests.Sessions;

/// <summary>
/// The real pipeline on real Kestrel over a real store, with a clock that the test moves. Each "certificate" is a Unix socket of its own: who connects
/// to it has proved that certificate's key and the principal's name.
/// </summary>
internal sealed class SessionHost : IAsyncDisposable
{
    private readonly StoreFile _file = new();
    private readonly string _directory = Directory.CreateTempSubdirectory("ks-session-").FullName;
    private readonly List<GrpcChannel> _channels = [];
    private WebApplication _application = null!;

    private SessionHost() => Rows = SoftwareRows.Of(() => HsmIsAway);

    public TestTime Time { get; } = new();

    public RowAuthenticator Rows { get; }

    /// <summary>Nothing is verified or sealed then.</summary>
    public bool HsmIsAway { get; set; }

    public SqliteStore Store { get; private set; } = null!;

    public StoreFile File => _file;

    public AlarmBook Alarms { get; private set; } = null!;

    public AccessRegister Access { get; private set; } = null!;

    public BreakGlassKeeper BreakGlass { get; private set; } = null!;

    /// <param name="required">As <c>people.secondFactor</c>.</param>
    /// <param name="certificates">PRINCIPAL:KEY, a person's; without a key that of the principal's name.</param>
    public static async Task<SessionHost> StartAsync(bool required, params string[] certificates)
    {
        var host = new SessionHost();
        await host.BuildAsync(required, certificates);
        return host;
    }

    /// <summary>A channel over the connection of a certificate, with a session's token when one is given.</summary>
    public CallInvoker As(string certificate, OpenSessionResponse? session = null) => As(certificate, session?.Token);

    public CallInvoker As(string certificate, ByteString? token)
    {
        var path = SocketOf(certificate);
        var channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellation) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
        });
        _channels.Add(channel);
        return token is null ? channel.CreateCallInvoker()
            : Client.Internal.SessionMetadata.Over(channel.CreateCallInvoker(), token.ToByteArray());
    }

    /// <summary>Enrols, so that the next code is fresh; gives the seed.</summary>
    public async Task<byte[]> EnrolAsync(string certificate)
    {
        var sessions = new Protocol.V1.Sessions.SessionsClient(As(certificate));
        var seed = (await sessions.OfferSecondFactorAsync(new())).Seed.ToByteArray();
        await sessions.ActivateSecondFactorAsync(new() { Code = Code(seed) });
        Time.Advance(OneTimePassword.Step);
        return seed;
    }

    public async Task<OpenSessionResponse> LoginAsync(string certificate, byte[] seed)
    {
        var session = await new Protocol.V1.Sessions.SessionsClient(As(certificate)).OpenSessionAsync(new() { Code = Code(seed) });
        Time.Advance(OneTimePassword.Step);
        return session;
    }

    /// <summary>The code of now, or of so many steps later.</summary>
    public ByteString Code(byte[] seed, int later = 0) => ByteString.CopyFrom(Encoding.ASCII.GetBytes(
        OneTimePassword.CodeAt(seed, OneTimePassword.StepOf(Time.GetUtcNow()) + later).ToString("D6", CultureInfo.InvariantCulture)));

    /// <summary>A code that is none of the window.</summary>
    public ByteString WrongCode(byte[] seed)
    {
        var right = Enumerable.Range(-1, 3).Select(later => Code(seed, later)).ToHashSet();
        return Enumerable.Range(0, 4).Select(number => ByteString.CopyFromUtf8(number.ToString("D6", CultureInfo.InvariantCulture))).First(code => !right.Contains(code));
    }

    public static async Task<string> RefusedAsync<T>(Reason reason, AsyncUnaryCall<T> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await call);
        Assert.Equal(RefusalStatus.NameOf(reason), refused.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason);
        return refused.Status.Detail;
    }

    /// <summary>"event outcome principal authentication detail" of each record since one.</summary>
    public async Task<IReadOnlyList<string>> RecordsAsync(long after = -1)
    {
        var log = new AuditLog(Store).Pin();
        var lines = new List<string>();
        foreach (var entry in await log.ReadAsync(after + 1, log.LastSequence, CancellationToken.None))
        {
            Assert.True(AuditRecord.TryParse(entry.Record, out var record));
            lines.Add($"{AuditEvents.NameOf((AuditEvent)record!.EventId)} {record.Outcome} {record.Principal} {record.Authentication} {record.Reason} {record.Detail}");
        }

        return lines;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels)
        {
            channel.Dispose();
        }

        await _application.StopAsync();
        await _application.DisposeAsync();
        await Store.DisposeAsync();
        _file.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private string SocketOf(string certificate) => Path.Combine(_directory, certificate.Replace(':', '-') + ".sock");

    private async Task BuildAsync(bool required, string[] certificates)
    {
        Store = _file.Open(Time);
        await SoftwareRows.InstallAsync(Store, Rows);
        var table = new AccessRows(Rows);
        foreach (var name in certificates.Select(each => each.Split(':')[0]).Distinct().Where(name => name != "root-admin"))
        {
            await Store.CommitAsync(
                new AuditRecordDraft(AuditEvent.PrincipalCreated),
                async transaction =>
                {
                    await table.InsertAsync(transaction, new Principal
                    {
                        Name = name, Type = name.StartsWith("service", StringComparison.Ordinal) ? PrincipalType.Service : PrincipalType.Person,
                        Credential = new Credential(CredentialKind.CertificateSanUri, $"keyservice:principal/{name}"), Disabled = false,
                        CreateTime = transaction.Time, Revision = 1,
                    });
                    await table.InsertAsync(transaction, new Grant
                    {
                        Id = AccessAdministration.NewId(), Principal = name, Permissions = [Permission.AdministerAccess, Permission.AdministerPeople, Permission.OpenBreakGlass, Permission.ReviewBreakGlass],
                        KeyPattern = KeyPattern.All, ContextConstraint = EncryptionContext.Empty, ExpireTime = null, CreateTime = transaction.Time, Revoked = false,
                        Revision = 1,
                    });
                },
                CancellationToken.None);
        }

        Access = await AccessRegister.LoadAsync(Store, Rows, Time, CancellationToken.None);
        var told = new KeyService.Tests.Alarms.ToldAlarms();
        Alarms = new AlarmBook(Store, Rows, TimeProvider.System, new AlarmView(), new AlarmTeller(told));

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var services = builder.Services;
        services.AddRouting();
        services.AddSingleton<TimeProvider>(Time);
        services.AddSingleton(new LimitsConfiguration());
        services.AddSingleton<IStore>(Store);
        services.AddSingleton<RequestLedger>();
        services.AddSingleton<PageTokens>();
        services.AddSingleton(Rows);
        services.AddSingleton(SoftwareRows.NewContexts());
        services.AddSingleton(new SeedVault(Rows, new byte[16]));
        services.AddSingleton(Access);
        services.AddSingleton(new AlarmOutlet(NullLogger<AlarmOutlet>.Instance, Alarms));
        services.AddSingleton<AuditSearch>();
        services.AddAccess();
        services.AddSessions(new PeopleConfiguration(required));
        services.AddBreakGlass(new BreakGlassConfiguration { Permissions = [Permission.ReadAlarms] });
        services.AddSingleton(Alarms);
        services.AddPipeline();
        services.AddLogging();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            foreach (var certificate in certificates)
            {
                var name = certificate.Split(':')[0];
                var peer = new Peer(
                    "mtls",
                    [
                        new Credential(CredentialKind.CertificateSanUri, $"keyservice:principal/{name}"),
                        new Credential(CredentialKind.CertificatePublicKeySha256, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(certificate)))),
                    ],
                    "192.0.2.1:4000", DateTimeOffset.MaxValue);
                kestrel.ListenUnixSocket(SocketOf(certificate), listen =>
                {
                    listen.Protocols = HttpProtocols.Http2;
                    listen.Use(next => async connection =>
                    {
                        PeerOfConnection.Set(connection.Items, peer);
                        await next(connection);
                    });
                });
            }
        });
        _application = builder.Build();
        _application.UseRouting();
        _application.UsePipeline();
        _application.MapRpc<SessionsService>();
        _application.MapRpc<AccessService>();
        _application.MapRpc<AlarmsService>();
        _application.MapRpc<BreakGlassService>();
        BreakGlass = _application.Services.GetRequiredService<BreakGlassKeeper>();
        await _application.StartAsync();
    }
}
