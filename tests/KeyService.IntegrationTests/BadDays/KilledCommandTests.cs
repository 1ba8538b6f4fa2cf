using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// kill -9 of the command at random moments while it encrypts and decrypts: a result is either not there or whole, and the input is untouched.
/// </summary>
public sealed class KilledCommandTests(ServiceFixture service, ITestOutputHelper output) : IClassFixture<ServiceFixture>
{
    private const int InputBytes = 12 << 20;
    private static readonly TimeSpan QuickRun = TimeSpan.FromSeconds(6);

    [Fact]
    public Task A_killed_command_leaves_no_half_made_file_that_looks_whole() => RunAsync(rounds: 16, QuickRun);

    [Fact]
    [Trait("Duration", "long")]
    public Task A_command_killed_hundreds_of_times_leaves_no_half_made_file_that_looks_whole() => RunAsync(rounds: 300, TimeSpan.MaxValue);

    private async Task RunAsync(int rounds, TimeSpan time)
    {
        var seed = Environment.GetEnvironmentVariable("KEYSERVICE_TESTS_SEED") is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : Environment.TickCount;
        output.WriteLine($"seed {seed} (KEYSERVICE_TESTS_SEED={seed} runs the same)");
        var random = new Random(seed);
        var directory = Directory.CreateDirectory(Path.Combine(service.Directory, $"killed-{seed}"));
        var key = $"killed/{Guid.NewGuid():N}";
        await service.CreateKeyAsync(key);
        var plain = Path.Combine(directory.FullName, "plain");
        var content = new byte[InputBytes];
        random.NextBytes(content);
        await File.WriteAllBytesAsync(plain, content);
        var archive = Path.Combine(directory.FullName, "whole.ksa");
        var measured = Stopwatch.GetTimestamp();
        (await service.RunCliAsync(service.Backup, "encrypt", "--key", key, plain, "-o", archive)).ExpectExit(0);
        var longest = (int)(Stopwatch.GetElapsedTime(measured).TotalMilliseconds * 1.2);

        var begun = Stopwatch.GetTimestamp();
        int done = 0, whole = 0, left = 0;
        for (; done < rounds && (done < 5 || Stopwatch.GetElapsedTime(begun) < time); done++)
        {
            var decrypts = random.Next(2) == 0;
            var result = Path.Combine(directory.FullName, $"result-{done}");
            string[] arguments = decrypts
                ? ["decrypt", archive, "-o", result]
                : ["encrypt", "--key", key, plain, "-o", result, .. random.Next(3) == 0 ? new[] { "--remote" } : []];
            await KillAfterAsync(random.Next(longest), arguments);
            if (File.Exists(result))
            {
                whole++;
                await AssertWholeAsync(result, decrypts, content);
            }
            // What a killed command cannot remove has a name of its own, which says that it is no result; nobody but its owner reads it.
            foreach (var temporary in Directory.GetFiles(directory.FullName, ".result-*"))
            {
                left++;
                Assert.EndsWith(".tmp", temporary, StringComparison.Ordinal);
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(temporary));
                File.Delete(temporary);
            }
            File.Delete(result);
        }
        Assert.Equal(SHA256.HashData(content), SHA256.HashData(await File.ReadAllBytesAsync(plain)));
        (await service.RunCliAsync(service.Backup, "verify", archive)).ExpectExit(0);
        output.WriteLine($"{done} rounds in {Stopwatch.GetElapsedTime(begun).TotalSeconds:0} s: {whole} whole results, {left} temporary files");
        directory.Delete(recursive: true);
    }

    private async Task AssertWholeAsync(string result, bool decrypted, byte[] content)
    {
        if (decrypted)
        {
            Assert.Equal(SHA256.HashData(content), SHA256.HashData(await File.ReadAllBytesAsync(result)));
            return;
        }
        var opened = await service.RunCliAsync(service.Backup, "decrypt", result, "-o", "-");
        Assert.Equal(SHA256.HashData(content), SHA256.HashData(opened.ExpectExit(0).Output));
    }

    private async Task KillAfterAsync(int milliseconds, string[] arguments)
    {
        var start = Command.StartInfo(
            Executables.Cli, arguments, new Dictionary<string, string?> { ["KEYSERVICE_PROFILE"] = service.Backup.ProfilePath }, service.Directory);
        using var process = Process.Start(start) ?? throw new InvalidOperationException("The command did not start.");
        var silent = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await Task.Delay(milliseconds);
        process.Kill();
        await process.WaitForExitAsync().WaitAsync(Command.Limit);
        await silent;
    }
}
