using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace KeyService.IntegrationTests.Sinks;

/// <summary>
/// A real rsyslog on loopback that takes messages by TLS only, from one client by its certificate's name, and writes each as a line. Without root,
/// with a configuration of its own; it can be ended and started again.
/// </summary>
internal sealed partial class RsyslogServer : IAsyncDisposable
{
    private const int SigKill = 9;
    private const int SigTerm = 15;

    private readonly string directory;
    private readonly string driver;
    private readonly StringBuilder log = new();
    private Process? process;

    private RsyslogServer(string directory, string driver)
    {
        this.directory = directory;
        this.driver = driver;
    }

    public int Port { get; } = ServiceFixture.FreePort();

    public string CaPath => Path.Combine(directory, "ca.crt");

    public string CertificatePath => Path.Combine(directory, "keyservice.crt");

    public string PrivateKeyPath => Path.Combine(directory, "keyservice.key");

    private string Messages => Path.Combine(directory, "messages");

    public static string? Driver(string driver) => Directory.Exists("/usr/lib")
        ? Directory.EnumerateFiles("/usr/lib", $"lmnsd_{driver}.so", SearchOption.AllDirectories).FirstOrDefault() : null;

    /// <param name="driver">"ossl" or "gtls".</param>
    public static async Task<RsyslogServer> StartAsync(string directory, string driver)
    {
        Infrastructure.Require(Rsyslogd is not null, "rsyslogd (apt-get install rsyslog)");
        Infrastructure.Require(Driver(driver) is not null, $"rsyslog's {driver} (apt-get install rsyslog-{(driver == "ossl" ? "openssl" : "gnutls")})");
        Infrastructure.RequireTool("openssl", "openssl");
        await Executables.MakePkiAsync(directory);
        await Executables.MakePkiAsync(directory, "client", "keyservice");
        var server = new RsyslogServer(directory, driver);
        await File.WriteAllTextAsync(
            Path.Combine(directory, "rsyslog.conf"),
            $$"""
            global(workDirectory="{{directory}}" maxMessageSize="16k" defaultNetstreamDriver="{{driver}}"
                defaultNetstreamDriverCAFile="{{directory}}/ca.crt" defaultNetstreamDriverCertFile="{{directory}}/server.crt"
                defaultNetstreamDriverKeyFile="{{directory}}/server.key")
            module(load="imtcp" streamDriver.name="{{driver}}" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["keyservice"])
            input(type="imtcp" address="127.0.0.1" port="{{server.Port}}")
            template(name="line" type="string" string="%pri%|%timereported:::date-rfc3339%|%app-name%|%msgid%|%structured-data%|%msg%\n")
            action(type="omfile" file="{{directory}}/messages" template="line" fileCreateMode="0644")

            """);
        if (PostgresFixture.AsRoot)
        {
            (await Command.RunAsync("chown", ["-R", "nobody", directory])).ExpectExit(0);
        }

        await server.StartAsync();
        return server;
    }

    public async Task StartAsync()
    {
        string[] line = [Rsyslogd!, "-n", "-f", Path.Combine(directory, "rsyslog.conf"), "-i", Path.Combine(directory, $"pid-{Guid.NewGuid():n}")];
        if (PostgresFixture.AsRoot)
        {
            line = [Infrastructure.RequireTool("setpriv", "util-linux"), "--reuid=nobody", "--clear-groups", "--inh-caps=-all", "--", .. line];
        }

        process = Process.Start(Command.StartInfo(line[0], line[1..], new Dictionary<string, string?>(), "/"))!;
        process.OutputDataReceived += Collect;
        process.ErrorDataReceived += Collect;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        await Until.TrueAsync(
            async () =>
            {
                Assert.False(process.HasExited, $"rsyslogd ended:\n{log}");
                using var probe = new System.Net.Sockets.TcpClient();
                try
                {
                    await probe.ConnectAsync("127.0.0.1", Port);
                    return true;
                }
                catch (System.Net.Sockets.SocketException)
                {
                    return false;
                }
            },
            "rsyslogd listens");
    }

    /// <summary>In order, or killed without a chance to write anything.</summary>
    public async Task StopAsync(bool kill = false)
    {
        if (process is { } running)
        {
            process = null;
            if (Kill(running.Id, kill ? SigKill : SigTerm) == 0)
            {
                await running.WaitForExitAsync().WaitAsync(Command.Limit);
            }

            running.Dispose();
        }
    }

    /// <summary>Lines that it wrote: priority, time, application, message id, structured data, text.</summary>
    public IReadOnlyList<string[]> Lines => File.Exists(Messages) ? [.. File.ReadAllLines(Messages).Select(line => line.Split('|', 6)).Where(line => line.Length == 6 && line[2] == "keyservice")] : [];

    public async ValueTask DisposeAsync() => await StopAsync(kill: true);

    public override string ToString() => log.ToString();

    private static string? Rsyslogd => Infrastructure.FindTool("rsyslogd") ?? (File.Exists("/usr/sbin/rsyslogd") ? "/usr/sbin/rsyslogd" : null);

    private void Collect(object sender, DataReceivedEventArgs line)
    {
        lock (log)
        {
            log.AppendLine(line.Data);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);
}
