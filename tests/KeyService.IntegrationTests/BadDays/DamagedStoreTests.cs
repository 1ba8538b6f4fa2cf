using System.Buffers.Binary;
using System.Text;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>Bytes of the store's files that are not what the service wrote: found and said in a sentence, or mended from the write-ahead log.</summary>
public sealed class DamagedStoreTests : IAsyncLifetime
{
    private const string Key = "bad-day";
    private const int PageBytes = 4096, LogHeaderBytes = 32, FrameHeaderBytes = 24;
    private readonly ServiceFixture service = new();
    private Workload workload = null!;

    public async ValueTask InitializeAsync()
    {
        await service.InitializeAsync();
        await service.CreateKeyAsync(Key);
        workload = new Workload(service, Key, seed: 1);
        await FaultyDiskService.RunUntilAsync(workload, 60);
    }

    public ValueTask DisposeAsync() => service.DisposeAsync();

    [Fact]
    public async Task A_torn_page_is_mended_from_the_log_of_the_server_that_died_writing_it()
    {
        await service.CrashAsync();
        var log = await File.ReadAllBytesAsync(service.StorePath + "-wal");
        var store = await File.ReadAllBytesAsync(service.StorePath);
        var torn = 0;
        for (var frame = LogHeaderBytes; frame + FrameHeaderBytes + PageBytes <= log.Length && torn < 5; frame += FrameHeaderBytes + PageBytes)
        {
            // The page in the first four bytes of a frame, counted from 1; half of it reached the disk.
            var page = (BinaryPrimitives.ReadInt32BigEndian(log.AsSpan(frame)) - 1) * PageBytes;
            if (page > 0 && page + PageBytes <= store.Length)
            {
                store.AsSpan(page + (PageBytes / 2), PageBytes / 2).Clear();
                torn++;
            }
        }
        Assert.InRange(torn, 1, 5);
        await File.WriteAllBytesAsync(service.StorePath, store);

        await service.StartAsync();
        await Answers.HoldAsync(service, workload.Answered);
        Answers.AreLogged(workload.Answered, await AuditLogOnDisk.ReadAsync(service.StorePath));
        (await DoctorAsync()).ExpectExit(0);
    }

    [Fact]
    public async Task A_byte_flipped_in_a_record_is_found_and_the_record_named()
    {
        await service.StopAsync();
        Assert.False(File.Exists(service.StorePath + "-wal"), "An orderly stop leaves everything in the file.");
        var good = await File.ReadAllBytesAsync(service.StorePath);
        var trace = workload.Answered.First().TraceId;
        var sequence = (await AuditLogOnDisk.ReadAsync(service.StorePath)).First(call => call.TraceId == trace).Sequence;
        var damaged = good.ToArray();
        // Everywhere: pages that were split keep what they held before in their free space.
        var sought = Encoding.ASCII.GetBytes(trace);
        for (var at = damaged.AsSpan().IndexOf(sought); at >= 0; at = damaged.AsSpan().IndexOf(sought))
        {
            damaged[at] ^= 1;
        }
        Assert.NotEqual(good, damaged);
        await File.WriteAllBytesAsync(service.StorePath, damaged);

        var doctor = await DoctorAsync();
        Assert.DoesNotContain("   at ", doctor.Error + doctor.Text, StringComparison.Ordinal);
        Assert.Contains($"Record 0/{sequence}:", doctor.ExpectExit(8).Text, StringComparison.Ordinal);

        await File.WriteAllBytesAsync(service.StorePath, good);
        (await DoctorAsync()).ExpectExit(0);
    }

    [Fact]
    public async Task A_byte_flipped_in_a_dead_servers_log_stops_the_start_and_what_it_says_is_what_helps()
    {
        await service.CrashAsync();
        var path = service.StorePath + "-wal";
        var good = await File.ReadAllBytesAsync(path);
        var damaged = good.ToArray();
        damaged[LogHeaderBytes + FrameHeaderBytes + 100] ^= 4;
        await File.WriteAllBytesAsync(path, damaged);

        var refused = await Executables.RunServerAsync(["serve", "--config", service.ConfigPath], service.ServerEnvironment, service.Directory);
        Assert.Contains($"{path} is damaged at byte {LogHeaderBytes}, and ", refused.ExpectExit(5).Error, StringComparison.Ordinal);
        Assert.Equal(damaged, await File.ReadAllBytesAsync(path));
        var doctor = (await DoctorAsync()).ExpectExit(8);
        Assert.Contains("is damaged at byte", doctor.Text, StringComparison.Ordinal);
        var fix = doctor.Text.Split('\n').Single(line => line.Contains("truncate", StringComparison.Ordinal));

        // The whole log from a copy: nothing is lost.
        await File.WriteAllBytesAsync(path, good);
        await service.StartAsync();
        await Answers.HoldAsync(service, workload.Answered);
        await SeenAsync();
        await service.CrashAsync();

        // Or what stands behind the damage is given up, by the command that was printed.
        await File.WriteAllBytesAsync(path, damaged);
        var words = fix[fix.IndexOf("truncate", StringComparison.Ordinal)..].Trim().Split(' ');
        (await Command.RunAsync(words[0], words[1..])).ExpectExit(0);
        // The server has seen what was given up: that is a store of an earlier day, to be accepted by somebody.
        Assert.Contains("put back to an earlier day", (await DoctorAsync()).ExpectExit(8).Text, StringComparison.Ordinal);
        await service.StartAsync();
        (await service.RunCliAsync(service.Administrator, "store", "accept", "--reason", "the damaged end of the log was given up")).ExpectExit(0);
        await service.StopAsync();
        (await DoctorAsync()).ExpectExit(0);
    }

    // The server writes down every few seconds what it has seen of the store.
    private Task SeenAsync()
    {
        var seen = Path.Combine(Path.GetDirectoryName(service.StorePath)!, "store-seen");
        var answered = DateTime.UtcNow;
        return Until.TrueAsync(() => File.GetLastWriteTimeUtc(seen) > answered, "what the server has seen is written down");
    }

    private Task<CommandResult> DoctorAsync() =>
        Executables.RunServerAsync(["doctor", "--config", service.ConfigPath], service.ServerEnvironment, service.Directory);
}
