using Dapper;
using KeyService.IntegrationTests.BadDays;

namespace KeyService.IntegrationTests;

/// <summary>
/// A PostgreSQL on loopback that lets nobody in there without TLS: members of <see cref="ByCertificate"/> by a client certificate in their name, all
/// others by password. Its own certificate names 127.0.0.1 and localhost; it listens on 127.0.0.2 too, which the certificate does not name.
/// </summary>
public sealed class PostgresTlsFixture : IAsyncLifetime
{
    internal const string ByCertificate = "by_certificate";

    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-pgtls-").FullName;
    private PostgresFixture? server;

    internal PostgresFixture Server => server ?? throw new InvalidOperationException("It does not run.");

    internal string Ca => Path.Combine(directory, "ca.crt");

    /// <summary>Certificate and key of a client, from the authority that the server takes.</summary>
    internal async Task<(string Certificate, string Key)> IssueAsync(string role)
    {
        await Executables.MakePkiAsync(directory, "client", role);
        return (Path.Combine(directory, $"{role}.crt"), Path.Combine(directory, $"{role}.key"));
    }

    public async ValueTask InitializeAsync()
    {
        Infrastructure.RequireTool("openssl", "openssl");
        await Executables.MakePkiAsync(directory);
        var access = Path.Combine(directory, "pg_hba.conf");
        await File.WriteAllTextAsync(access, $"""
            local   all all trust
            hostssl all +{ByCertificate} 127.0.0.0/8 cert
            hostssl all all 127.0.0.0/8 scram-sha-256

            """);
        if (PostgresFixture.AsRoot)
        {
            (await Command.RunAsync("chown", ["-R", PostgresFixture.ServerUser, directory])).ExpectExit(0);
        }

        server = new PostgresFixture
        {
            Port = ServiceFixture.FreePort(),
            Settings =
            [
                "listen_addresses=127.0.0.1,127.0.0.2", $"ssl_cert_file={directory}/server.crt", $"ssl_key_file={directory}/server.key",
                $"ssl_ca_file={Ca}", $"hba_file={access}",
            ],
        };
        await server.InitializeAsync();
        await EditAsync($"CREATE ROLE {ByCertificate}");
        await UseTlsAsync("on");
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        Directory.Delete(directory, recursive: true);
    }

    /// <summary>Has it offer TLS, "on" or "off"; it begins with it.</summary>
    internal async Task UseTlsAsync(string ssl)
    {
        await EditAsync($"ALTER SYSTEM SET ssl = {ssl}");
        await EditAsync("SELECT pg_reload_conf()");
        await Until.TrueAsync(async () => await AskAsync<string>("SHOW ssl") == ssl, $"ssl = {ssl}");
    }

    /// <summary>As the database's administrator, who comes over the Unix socket.</summary>
    internal async Task EditAsync(string sql)
    {
        await using var connection = await Server.OpenAsync();
        await connection.ExecuteAsync(sql);
    }

    /// <inheritdoc cref="EditAsync"/>
    internal async Task<T> AskAsync<T>(string sql)
    {
        await using var connection = await Server.OpenAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }

    /// <summary>Makes a role and a database of the same name that it owns.</summary>
    /// <param name="with">What the role has, as CREATE ROLE takes it.</param>
    internal async Task<string> CreateRoleAsync(string with)
    {
        var name = $"role_{Guid.NewGuid():N}"[..20];
        await EditAsync($"CREATE ROLE {name} LOGIN {with}");
        await EditAsync($"CREATE DATABASE {name} OWNER {name}");
        return name;
    }

    /// <summary>Ends all sessions of a role: the next calls have to log in.</summary>
    internal Task EndSessionsAsync(string role) => EditAsync($"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
}
