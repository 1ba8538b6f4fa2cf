using System.Net;
using KeyService.Server.Storage.Postgres;

namespace KeyService.Server.Hosting;

/// <summary>Section "store.postgres": how the database is reached. No secret stands in it.</summary>
internal static class PostgresConfiguration
{
    /// <summary>Null when the section is not there.</summary>
    public static PostgresStoreOptions? Read(ConfigurationSection section, bool isThere)
    {
        if (!isThere)
        {
            section.Know(
                "host", "port", "database", "user", "passwordFile", "sslMode", "rootCertificate", "clientCertificate", "clientKey", "poolSize", "retrySeconds");
            return null;
        }

        var host = section.RequiredText("host");
        var local = Array.TrueForAll(host.Split(','), IsLocal);
        var tls = section.Choice("sslMode", local ? PostgresTls.None : PostgresTls.VerifyFull,
            ("verify-full", PostgresTls.VerifyFull), ("verify-ca", PostgresTls.VerifyCa), ("disable", PostgresTls.None));
        if (tls == PostgresTls.None && !local)
        {
            section.Find("sslMode", "can be \"disable\" only for a Unix socket or the loopback address");
        }

        var certificate = section.File("clientCertificate");
        var key = section.File("clientKey");
        if (certificate is null != key is null)
        {
            section.Find("clientCertificate", "and \"clientKey\" belong together: give both or neither");
        }

        var options = new PostgresStoreOptions
        {
            Host = host,
            Port = section.Whole("port", 1, 65_535, 5432),
            Database = section.RequiredText("database"),
            User = section.RequiredText("user"),
            PasswordFile = section.File("passwordFile"),
            Tls = tls,
            RootCertificate = section.File("rootCertificate"),
            ClientCertificate = certificate,
            ClientKey = key,
            PoolSize = section.Whole("poolSize", 1, 500, 16),
            RetryTime = TimeSpan.FromSeconds(section.Whole("retrySeconds", 1, 300, 15)),
        };
        section.Finish();
        return options;
    }

    // One host of the list, perhaps with a port of its own.
    private static bool IsLocal(string host)
    {
        host = host.Trim();
        if (host.StartsWith('/'))
        {
            return true;
        }

        var name = IPEndPoint.TryParse(host, out var endpoint) ? endpoint.Address.ToString() : host.Split(':')[0];
        return name == "localhost" || (IPAddress.TryParse(name, out var address) && IPAddress.IsLoopback(address));
    }
}
