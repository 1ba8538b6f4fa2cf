using System.Buffers;
using ConfigurationSection = KeyService.Server.Hosting.ConfigurationSection;

namespace KeyService.Server.Audit.Sinks;

/// <summary>Section "sinks": where committed records go besides the store. The same for every server of the installation.</summary>
/// <param name="All">None: nothing is delivered.</param>
/// <param name="AlarmAfter">How old the oldest record may be that a sink does not have, before an alarm says so.</param>
internal sealed record SinksConfiguration(IReadOnlyList<SinkConfiguration> All, TimeSpan AlarmAfter)
{
    private const int DefaultAlarmSeconds = 300;

    private static readonly SearchValues<char> Names = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    public static SinksConfiguration Read(ConfigurationSection section)
    {
        List<SinkConfiguration> all =
        [
            .. section.Sections("directories").Select(ReadDirectory),
            .. section.Sections("syslog").Select(ReadSyslog),
            .. section.Sections("otlp").Select(ReadOtlp),
        ];
        if (all.DistinctBy(each => each.Name).Count() < all.Count)
        {
            section.Find("directories", "and \"syslog\" and \"otlp\" must have sinks with a name of their own each");
        }

        if (all.OfType<DirectorySinkConfiguration>().GroupBy(each => each.Directory).Any(group => group.Count() > 1))
        {
            section.Find("directories", "must each be a directory of its own");
        }

        var sinks = new SinksConfiguration(all, TimeSpan.FromSeconds(section.Whole("alarmSeconds", 10, 86_400, DefaultAlarmSeconds)));
        section.Finish();
        return sinks;
    }

    private static SinkConfiguration ReadDirectory(ConfigurationSection section)
    {
        var sink = new DirectorySinkConfiguration(
            NameOf(section), section.RequiredFile("directory"), section.Whole("fileMiB", 1, 4096, 64),
            TimeSpan.FromSeconds(section.Whole("fileSeconds", 1, 86_400, 300)));
        section.Finish();
        return sink;
    }

    private static SinkConfiguration ReadSyslog(ConfigurationSection section)
    {
        var host = section.RequiredText("host");
        var sink = new SyslogSinkConfiguration(
            NameOf(section), host, section.Whole("port", 1, 65_535, 6514), section.Text("serverName") ?? host, ReadTls(section),
            section.Whole("enterpriseNumber", 1, int.MaxValue, SyslogMessage.ExampleEnterprise),
            section.Choice(
                "confirmation", SyslogConfirmation.CloseNotify, ("close-notify", SyslogConfirmation.CloseNotify), ("tcp-end", SyslogConfirmation.TcpEnd)));
        section.Finish();
        return sink;
    }

    private static SinkConfiguration ReadOtlp(ConfigurationSection section)
    {
        var text = section.RequiredText("endpoint");
        if (!Uri.TryCreate(text, UriKind.Absolute, out var endpoint) || !(endpoint.Scheme == "https" || (endpoint.Scheme == "http" && endpoint.IsLoopback))
            || endpoint.UserInfo.Length > 0)
        {
            if (text.Length > 0)
            {
                section.Find("endpoint", "must be a URL that begins with https:// (http:// on a loopback address only), without a user name");
            }

            endpoint = new Uri("https://localhost");
        }

        var sink = new OtlpSinkConfiguration(NameOf(section), endpoint, ReadTls(section));
        section.Finish();
        return sink;
    }

    private static SinkTlsConfiguration ReadTls(ConfigurationSection section)
    {
        var tls = new SinkTlsConfiguration(section.File("ca"), section.File("certificate"), section.File("privateKey"));
        if (tls.CertificatePath is null != tls.PrivateKeyPath is null)
        {
            section.Find("certificate", "and \"privateKey\" belong together: give both or neither");
        }

        return tls;
    }

    private static string NameOf(ConfigurationSection section)
    {
        var name = section.RequiredText("name");
        if (name.Length > 64 || name.AsSpan().ContainsAnyExcept(Names))
        {
            section.Find("name", "must be 1 to 64 characters of a-z, 0-9 and -");
        }

        return name;
    }
}

/// <summary>A sink.</summary>
/// <param name="Name">1 to 64 characters of [a-z0-9-]: stands in rows, alarms and logs.</param>
internal abstract record SinkConfiguration(string Name)
{
    /// <summary>"directory", "syslog" or "otlp".</summary>
    public abstract string Kind { get; }

    /// <summary>Where it is, for people.</summary>
    public abstract string Target { get; }
}

/// <param name="Directory">Absolute, and there: it is never made.</param>
/// <param name="FileMiB">A file is closed when it is as long, 1 to 4,096.</param>
/// <param name="FileAge">A file is closed when its first record is as old.</param>
internal sealed record DirectorySinkConfiguration(string Name, string Directory, int FileMiB, TimeSpan FileAge) : SinkConfiguration(Name)
{
    public override string Kind => "directory";

    public override string Target => Directory;
}

/// <param name="ServerName">What the receiver's certificate must name.</param>
/// <param name="Enterprise">Private enterprise number in the structured data's name (RFC 5424, 7.2.2).</param>
/// <param name="Confirmation">What shows that a connection was read to its end.</param>
internal sealed record SyslogSinkConfiguration(
    string Name, string Host, int Port, string ServerName, SinkTlsConfiguration Tls, int Enterprise, SyslogConfirmation Confirmation)
    : SinkConfiguration(Name)
{
    public override string Kind => "syslog";

    public override string Target => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>What shows that a receiver has read a connection to its end.</summary>
internal enum SyslogConfirmation
{
    /// <summary>Its close_notify, which nobody between can make.</summary>
    CloseNotify,

    /// <summary>An orderly end of TCP, for receivers that send no close_notify. Who can write into the network can make one.</summary>
    TcpEnd,
}

/// <param name="Endpoint">The collector; "/v1/logs" is put behind it.</param>
internal sealed record OtlpSinkConfiguration(string Name, Uri Endpoint, SinkTlsConfiguration Tls) : SinkConfiguration(Name)
{
    public override string Kind => "otlp";

    public override string Target => Endpoint.ToString();
}

/// <param name="CaPath">PEM: the only CAs that the receiver's certificate may come from; null is the machine's trust store.</param>
/// <param name="CertificatePath">PEM: what this server shows; null shows none.</param>
/// <param name="PrivateKeyPath">PEM, of the certificate.</param>
internal sealed record SinkTlsConfiguration(string? CaPath, string? CertificatePath, string? PrivateKeyPath);
