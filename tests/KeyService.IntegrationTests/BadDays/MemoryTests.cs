using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Net.Client;
using KeyService.Crypto.Archives;
using KeyService.Protocol.V1;
using Microsoft.Win32.SafeHandles;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// Canaries: keys, PIN and plaintexts that the test knows are looked for in the memory of the processes that used them, raw, reversed, as hexadecimal and
/// base64, UTF-8 and UTF-16, and in every file they leave. A planted secret is found in each scan, or the scan proves nothing.
/// </summary>
public sealed partial class MemoryTests(CanaryService canary, ITestOutputHelper output) : IClassFixture<CanaryService>
{
    private const string Key = KeyHolder.Key;
    private const int SetPipeSize = 1031; // F_SETPIPE_SZ of Linux
    private readonly ServiceFixture service = canary.Service;
    private readonly string planted = canary.Planted;
    private readonly Haystack secrets = new Haystack().AddText("planted", "text", canary.Planted).AddText("PIN", "text", canary.Pin);

    [Fact]
    public async Task A_server_keeps_no_data_key_and_no_PIN_and_of_plaintexts_only_what_TLS_had_in_hand()
    {
        var connections = new List<GrpcChannel>();
        for (var i = 0; i < 4; i++)
        {
            connections.Add(i % 2 == 0 ? GrpcClients.ConnectUnix(service.SocketPath) : service.ConnectAs("database"));
            await UseAsync(connections[i], i % 2 == 0 ? "Unix" : "TLS");
        }
        secrets.Add("bulk key", await BulkKeyAsync());
        var open = Find("connections open");
        connections.ForEach(connection => connection.Dispose());
        var closed = Find("connections closed");

        foreach (var traces in new[] { open, closed })
        {
            Assert.Contains(traces, trace => trace.Needle.Secret == "planted");
            Assert.DoesNotContain(traces, trace => trace.Needle.Secret.StartsWith("data key", StringComparison.Ordinal));
            Assert.DoesNotContain(traces, trace => trace.Needle.Secret == "PIN");
            // In use: in the arena, and at the head of OpenSSL's key schedules, one or two for each thread that ciphered at the same time.
            Assert.Contains(traces, trace => trace.Needle.Secret == "bulk key" && trace.Mapping.IsArena);
            Assert.DoesNotContain(traces, trace => trace.Needle is { Secret: "bulk key", Form: not ("raw" or "raw, second half") });
            Assert.InRange(traces.Count(trace => trace.Needle is { Secret: "bulk key", Form: "raw" } && !trace.Mapping.IsArena), 0, 16);
            // Of 200 plaintexts that came and went, what stood in the last records that SslStream read (docs/adr/0132).
            Assert.InRange(traces.Count(trace => trace.Needle is { Form: "raw" } needle && needle.Secret.StartsWith("field", StringComparison.Ordinal)), 0, 10);
        }
        AssertArenaIsLocked(service.ServerId);
        await AssertNothingOnDiskAsync();
    }

    [Fact]
    public async Task A_command_at_work_has_its_data_key_in_locked_memory_and_in_the_transports_buffers()
    {
        var plain = Path.Combine(service.Directory, "plain");
        await File.WriteAllBytesAsync(plain, RandomNumberGenerator.GetBytes(16 << 20));
        var archive = Path.Combine(service.Directory, "archive.ksa");
        (await service.RunCliAsync(service.Backup, "encrypt", "--key", Key, "--context", $"table={Answers.Table}", plain, "-o", archive)).ExpectExit(0);
        var dataKey = await DataKeyOfAsync(archive);
        secrets.Add("data key", dataKey);

        // Nobody reads what it writes, so it stands still in the middle of its work.
        var start = Command.StartInfo(
            Executables.Cli, ["decrypt", archive, "-o", "-"],
            new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = service.Backup.ProfilePath, ["KEYSERVICE_TEST_CANARY"] = planted },
            service.Directory);
        using var process = Process.Start(start)!;
        var first = new byte[1];
        await process.StandardOutput.BaseStream.ReadExactlyAsync(first);
        var traces = ProcessImage.Of(process.Id).Find(secrets);
        AssertArenaIsLocked(process.Id);
        process.Kill();
        await process.WaitForExitAsync().WaitAsync(Command.Limit);

        Assert.Contains(traces, trace => trace.Needle.Secret == "planted");
        // The one answer that brought it went through SslStream and HttpClient, whose buffers are not ours to zero (docs/adr/0132).
        Show("command at work", traces);
        Assert.DoesNotContain(traces, trace => trace.Needle.Form is not ("raw" or "raw, second half" or "text"));
        Assert.InRange(traces.Count(trace => trace.Needle is { Secret: "data key", Form: "raw" } && !trace.Mapping.IsArena), 0, 12);
        File.Delete(plain);
        await AssertNothingOnDiskAsync();
    }

    [Theory]
    [InlineData("data key")]
    [InlineData("field")]
    public async Task A_command_that_hands_a_secret_over_keeps_it_where_it_belongs(string what)
    {
        // A pipe that is full holds the command at its last write.
        var path = Path.Combine(service.Directory, $"full-{what.Replace(' ', '-')}");
        (await Command.RunAsync("mkfifo", [path])).ExpectExit(0);
        await using var pipe = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        // The command makes its pipe as large as the kernel lets it: so is this one.
        var room = Fcntl(pipe.SafeFileHandle, SetPipeSize, int.Parse(await File.ReadAllTextAsync("/proc/sys/fs/pipe-max-size"), CultureInfo.InvariantCulture));
        Assert.InRange(room, 4096, int.MaxValue);
        await pipe.WriteAsync(new byte[room]);
        var wrapped = path + ".wrapped";
        var words = what == "data key"
            ? $"data-key generate --key {Key} --context table={Answers.Table} --wrapped {wrapped} --plaintext -"
            : $"field encrypt --key {Key} --context table={Answers.Table}";
        var start = Command.StartInfo(
            "sh", ["-c", $"exec {Executables.Cli} {words} > {path}"],
            new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = service.Database.ProfilePath, ["KEYSERVICE_TEST_CANARY"] = planted },
            service.Directory);
        using var process = Process.Start(start)!;
        try
        {
            if (what == "field")
            {
                var plaintext = RandomNumberGenerator.GetBytes(64);
                secrets.Add(what, plaintext);
                await process.StandardInput.BaseStream.WriteAsync(plaintext);
            }
            process.StandardInput.Close();
            await Until.TrueAsync(() => process.HasExited || WaitsToWrite(process.Id), $"the command to wait with its {what}");
            Assert.False(process.HasExited, process.HasExited ? $"{process.ExitCode}: {await process.StandardError.ReadToEndAsync()}" : "");
            if (what == "data key")
            {
                using var channel = service.ConnectAs("database");
                var opened = await new DataKeys.DataKeysClient(channel).UnwrapDataKeyAsync(new UnwrapDataKeyRequest
                {
                    Wrapped = ByteString.CopyFrom(await File.ReadAllBytesAsync(wrapped)), Binding = Answers.Binding,
                });
                secrets.Add(what, opened.Plaintext.Span);
            }
            var traces = ProcessImage.Of(process.Id).Find(secrets);
            Show($"command with a {what}", traces);

            Assert.Contains(traces, trace => trace.Needle.Secret == "planted");
            Assert.Equal(what == "data key", traces.Exists(trace => trace.Needle.Secret == what && trace.Mapping.IsArena));
            // Buffers of SslStream and HttpClient (docs/adr/0132).
            Assert.DoesNotContain(traces, trace => trace.Needle.Secret == what && trace.Needle.Form is not ("raw" or "raw, second half"));
            Assert.InRange(traces.Count(trace => trace.Needle.Form == "raw" && trace.Needle.Secret == what && !trace.Mapping.IsArena), 0, 12);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync().WaitAsync(Command.Limit);
            File.Delete(path);
        }
        await AssertNothingOnDiskAsync();
    }

    [Fact]
    public async Task A_client_keeps_data_keys_in_locked_memory_until_they_are_disposed_of()
    {
        var start = Command.StartInfo(
            ChildProcess.Line[0], ChildProcess.Line.Skip(1),
            new Dictionary<string, string?> { [KeyHolder.ProfileVariable] = service.Database.ProfilePath, ["KEYSERVICE_TEST_CANARY"] = planted },
            service.Directory);
        using var process = Process.Start(start)!;
        try
        {
            using var channel = service.ConnectAs("database");
            var told = 0;
            while (await process.StandardOutput.ReadLineAsync() is { } line && line != "done")
            {
                var opened = await new DataKeys.DataKeysClient(channel).UnwrapDataKeyAsync(new UnwrapDataKeyRequest
                {
                    Wrapped = ByteString.FromBase64(line.Split(' ')[1]), Binding = Answers.Binding,
                });
                secrets.Add($"{line.Split(' ')[0]} {told++}", opened.Plaintext.Span);
            }
            var held = ProcessImage.Of(process.Id).Find(secrets);
            Show("client, one key held", held);
            await process.StandardInput.WriteLineAsync();
            Assert.Equal("done", await process.StandardOutput.ReadLineAsync());
            var disposed = ProcessImage.Of(process.Id).Find(secrets);
            Show("client, all disposed", disposed);

            // The key in use is found, which shows that the others would be.
            Assert.Contains(held, trace => IsHeld(trace) && trace.Mapping.IsArena);
            foreach (var traces in new[] { held, disposed })
            {
                Assert.Contains(traces, trace => trace.Needle.Secret == "planted");
                Assert.DoesNotContain(traces, trace => IsDisposed(trace) && trace.Mapping.IsArena);
                // Of 50 keys that came twice each, those of the last answers, in buffers of SslStream and HttpClient (docs/adr/0132).
                Assert.InRange(traces.Where(IsDisposed).Select(trace => trace.Needle.Secret).Distinct().Count(), 0, 12);
            }
            Assert.DoesNotContain(disposed, trace => IsHeld(trace) && trace.Mapping.IsArena);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync().WaitAsync(Command.Limit);
        }
    }

    private static bool IsHeld(Trace trace) => trace.Needle.Secret.StartsWith("held", StringComparison.Ordinal);

    private static bool IsDisposed(Trace trace) => trace.Needle.Secret.StartsWith("disposed", StringComparison.Ordinal);

    private List<Trace> Find(string when)
    {
        var traces = ProcessImage.Of(service.ServerId).Find(secrets);
        Show(when, traces);
        return traces;
    }

    private void Show(string when, List<Trace> traces) => output.WriteLine(
        $"{when}: " + string.Join("; ", traces.GroupBy(trace => $"{trace.Needle.Secret} as {trace.Needle.Form}")
            .Select(group => $"{group.Count()} {group.Key} in {string.Join(", ", group.Select(trace => Kind(trace.Mapping)).Distinct())}")));

    private static string Kind(Mapping mapping) => mapping.IsArena ? "the arena" : mapping.Name.Length > 0 ? mapping.Name : "anonymous memory";

    /// <summary>50 data keys one by one, 200 at once, and 50 fields there and back, known to the test.</summary>
    private async Task UseAsync(GrpcChannel channel, string how)
    {
        var dataKeys = new DataKeys.DataKeysClient(channel);
        var cipher = new Cipher.CipherClient(channel);
        for (var i = 0; i < 50; i++)
        {
            var made = await dataKeys.GenerateDataKeyAsync(new GenerateDataKeyRequest { Key = Key, Binding = Answers.Binding });
            await dataKeys.UnwrapDataKeyAsync(new UnwrapDataKeyRequest { Wrapped = made.Wrapped, Binding = Answers.Binding });
            secrets.Add($"data key, {how}", made.Plaintext.Span);

            var plaintext = RandomNumberGenerator.GetBytes(64);
            secrets.Add($"field, {how}", plaintext);
            var token = await cipher.EncryptAsync(
                new EncryptRequest { Key = Key, Context = Answers.Context("1"), Plaintext = ByteString.CopyFrom(plaintext) });
            await cipher.DecryptAsync(new DecryptRequest { Ciphertext = token.Ciphertext, Context = Answers.Context("1") });
        }
        var many = await dataKeys.GenerateDataKeysAsync(new GenerateDataKeysRequest { Key = Key, Binding = Answers.Binding, Count = 200 });
        foreach (var made in many.DataKeys)
        {
            secrets.Add($"data key of many, {how}", made.Plaintext.Span);
        }
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Fcntl(SafeFileHandle file, int command, int argument);

    private static bool WaitsToWrite(int process) => Directory.EnumerateDirectories($"/proc/{process}/task")
        .Any(thread => File.ReadAllText(Path.Combine(thread, "wchan")).Contains("pipe_write", StringComparison.Ordinal));

    private async Task<byte[]> BulkKeyAsync()
    {
        var environment = new Dictionary<string, string?>(service.ServerEnvironment) { [BulkKeyReader.ConfigurationVariable] = service.ConfigPath };
        var said = await Command.RunAsync(ChildProcess.Line[0], [.. ChildProcess.Line.Skip(1)], environment);
        return Convert.FromHexString(said.ExpectExit(0).Text.Trim());
    }

    private async Task<byte[]> DataKeyOfAsync(string archive)
    {
        await using var file = File.OpenRead(archive);
        var header = ArchiveHeader.Parse(await ReadHeadAsync(file));
        using var channel = service.ConnectAs("backup");
        var binding = new DataKeyBinding
        {
            Use = DataKeyUse.Archive, SubjectId = ByteString.CopyFrom(header.ArchiveId.Span), Context = Answers.Context(),
        };
        var opened = await new DataKeys.DataKeysClient(channel).UnwrapDataKeyAsync(
            new UnwrapDataKeyRequest { Wrapped = ByteString.CopyFrom(header.WrappedDataKeys[0].Span), Binding = binding });
        return opened.Plaintext.ToByteArray();
    }

    private static async Task<byte[]> ReadHeadAsync(FileStream file)
    {
        var head = new byte[64 << 10];
        await file.ReadExactlyAsync(head);
        return head;
    }

    private static void AssertArenaIsLocked(int process)
    {
        var image = ProcessImage.Of(process);
        Assert.Contains(image.Mappings, mapping => mapping.IsArena);
        Assert.All(image.Mappings.Where(mapping => mapping.IsArena), mapping => Assert.Equal(0, mapping.SwappedKilobytes));
    }

    // Store, log, profiles, temporary files: all that the service wrote, but not the PIN's own file and the lock, which holds a process id and is the server's.
    private async Task AssertNothingOnDiskAsync()
    {
        Assert.NotEmpty(secrets.Find(System.Text.Encoding.UTF8.GetBytes(planted)));
        Assert.Empty(secrets.Find(System.Text.Encoding.UTF8.GetBytes(service.ServerLog)));
        var scanned = 0;
        foreach (var file in Directory.EnumerateFiles(service.Directory, "*", SearchOption.AllDirectories))
        {
            if (Path.GetFileName(file) is not ("pin" or "keyservice.sock" or "keyservice.db.lock"))
            {
                scanned++;
                var found = secrets.Find(await File.ReadAllBytesAsync(file));
                Assert.True(found.Count == 0, $"{file}: {string.Join(", ", found.Select(each => $"{each.Needle.Secret} as {each.Needle.Form}"))}");
            }
        }
        Assert.True(scanned > 10, "The store and what stands beside it were looked at.");
    }
}
