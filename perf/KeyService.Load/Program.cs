using System.CommandLine;
using KeyService.Load;

var profile = new Option<string>("--profile") { Description = "Client profile (JSON) of a principal that may use the key.", Required = true };
var key = new Option<string>("--key") { Description = "Name of a key.", DefaultValueFactory = _ => "perf/load" };
var rounds = new Option<int>("--rounds") { Description = "Interleaved rounds; medians are printed.", DefaultValueFactory = _ => 5 };
var seconds = new Option<double>("--seconds") { Description = "Length of a round.", DefaultValueFactory = _ => 3 };
var echo = new Option<string>("--echo") { Description = "Address of the echo server.", DefaultValueFactory = _ => "https://localhost:8553" };
var disk = new Option<string>("--disk") { Description = "Folder on the disk of the store, for lone commits.", DefaultValueFactory = _ => "." };
var inFlight = new Option<int>("--in-flight") { Description = "Batches under way at once.", DefaultValueFactory = _ => 4 };
var streams = new Option<int>("--streams") { Description = "Streams at once.", DefaultValueFactory = _ => 1 };
var size = new Option<int>("--mebibytes") { Description = "MiB a stream.", DefaultValueFactory = _ => 1024 };
var pid = new Option<int>("--server-pid") { Description = "Process whose memory is read.", Required = true };
var certificate = new Option<string>("--certificate") { Description = "Server certificate, PEM.", Required = true };
var privateKey = new Option<string>("--private-key") { Description = "Its private key, PEM.", Required = true };
var cpp = new Option<string>("--cpp-echo") { Description = "The C++ peer (perf/cpp/build.sh).", Required = true };
var echoPid = new Option<int>("--echo-pid") { Description = "Process of the echo server.", Required = true };
var postgres = new Option<string>("--postgres") { Description = "Connection string of an empty database.", Required = true };
var postmaster = new Option<int>("--postmaster-pid") { Description = "Process of the PostgreSQL server.", Required = true };
var transactions = new Option<int>("--transactions") { Description = "Transactions a round.", DefaultValueFactory = _ => 4000 };
var port = new Option<int>("--port") { Description = "Port on loopback.", DefaultValueFactory = _ => 8553 };

Command Make(string name, string what, Option[] options, Func<ParseResult, CancellationToken, Task<int>> run)
{
    var command = new Command(name, what);
    foreach (var option in options)
    {
        command.Options.Add(option);
    }

    command.SetAction(run);
    return command;
}

Connection Open(ParseResult result) => Connection.FromProfile(result.GetValue(profile)!);
TimeSpan Length(ParseResult result) => TimeSpan.FromSeconds(result.GetValue(seconds));

var root = new RootCommand("Load driver of KeyService: measures against yardsticks in the same run, and checks what it gets back.")
{
    Make("echo-server", "Serves the yardstick until stopped.", [certificate, privateKey, port], async (r, stop) =>
    {
        await EchoServer.RunAsync(r.GetValue(certificate)!, r.GetValue(privateKey)!, r.GetValue(port), stop);
        return 0;
    }),
    Make("data-keys", "P1.", [profile, key, rounds, seconds, echo, disk], (r, _) =>
        DataKeyLoad.RunAsync(Open(r), r.GetValue(echo)!, r.GetValue(key)!, r.GetValue(rounds), Length(r), r.GetValue(disk)!)),
    Make("many-data-keys", "P2 through the service.", [profile, key, rounds, seconds, pid], (r, _) =>
        ManyDataKeysLoad.RunAsync(Open(r), r.GetValue(key)!, r.GetValue(rounds), Length(r), r.GetValue(pid))),
    Make("records", "Decrypts one field again and again, 64 at once: what fills an audit log.", [profile, key, seconds], (r, _) =>
        RecordLoad.RunAsync(Open(r), r.GetValue(key)!, Length(r))),
    Make("batches", "P3.", [profile, key, rounds, seconds, inFlight], (r, _) =>
        BatchLoad.RunAsync(Open(r), r.GetValue(key)!, r.GetValue(rounds), Length(r), r.GetValue(inFlight))),
    Make("streams", "Duplex streams, there and back.", [profile, key, streams, size], (r, _) =>
        StreamLoad.RunAsync(Open(r), r.GetValue(key)!, r.GetValue(streams), r.GetValue(size))),
    Make("tls-echo-server", "Serves the yardstick of streams over TLS until stopped.", [certificate, privateKey, port], async (r, stop) =>
    {
        await TlsEcho.ServeAsync(r.GetValue(certificate)!, r.GetValue(privateKey)!, r.GetValue(port), stop);
        return 0;
    }),
    Make("bulk-unix", "P5 over a Unix socket.", [profile, key, cpp, pid, rounds, size], (r, _) =>
        BulkLoad.UnixAsync(r.GetValue(profile)!, r.GetValue(key)!, r.GetValue(cpp)!, r.GetValue(pid), r.GetValue(rounds), r.GetValue(size))),
    Make("bulk-tls", "P5 over TLS.", [profile, key, port, echoPid, pid, rounds, size], (r, _) =>
        BulkLoad.TlsAsync(r.GetValue(profile)!, r.GetValue(key)!, r.GetValue(port), r.GetValue(echoPid), r.GetValue(pid), r.GetValue(rounds), r.GetValue(size))),
    Make("ehr", "P7: encrypted columns against plain ones.", [profile, key, postgres, postmaster, pid, rounds, transactions], (r, _) =>
        EhrLoad.RunAsync(
            r.GetValue(postgres)!, r.GetValue(profile)!, r.GetValue(key)!, r.GetValue(postmaster), r.GetValue(pid), r.GetValue(rounds),
            r.GetValue(transactions))),
    Make("memory", "P10.", [profile, key, pid, seconds], (r, _) =>
        MemoryLoad.RunAsync(Open(r), r.GetValue(key)!, r.GetValue(pid), Length(r))),
};
return await root.Parse(args).InvokeAsync();
