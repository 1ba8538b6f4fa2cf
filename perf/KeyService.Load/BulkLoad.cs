using System.Diagnostics;
using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Load;

/// <summary>
/// P5: one duplex encrypting stream through the product's own client (SocketsHttpHandler, 1 MiB messages), in rounds that alternate with a
/// peer: over a Unix socket with Google's C++ gRPC, which echoes without encryption; over TLS with a bare SslStream.
/// </summary>
internal static class BulkLoad
{
    public static async Task<int> UnixAsync(string profile, string key, string cppEcho, int serverPid, int rounds, int mebibytes)
    {
        var address = $"unix:{Path.Combine(Path.GetTempPath(), $"keyservice-echo-{Environment.ProcessId}.sock")}";
        using var server = Start(cppEcho, "serve", address);
        if (await server.StandardOutput.ReadLineAsync() != "ready")
        {
            throw new InvalidOperationException("The C++ echo server does not serve.");
        }

        using var peer = Start(cppEcho, "send", address);
        try
        {
            await CompareAsync("unix socket", "C++ gRPC echo", profile, key, [server.Id, peer.Id], serverPid, rounds, mebibytes, async () =>
            {
                await peer.StandardInput.WriteLineAsync($"{mebibytes}");
                await peer.StandardInput.FlushAsync();
                return double.Parse((await peer.StandardOutput.ReadLineAsync())!, System.Globalization.CultureInfo.InvariantCulture);
            });
        }
        finally
        {
            peer.StandardInput.Close();
            server.StandardInput.Close();
        }

        return 0;
    }

    public static async Task<int> TlsAsync(string profile, string key, int echoPort, int echoPid, int serverPid, int rounds, int mebibytes)
    {
        var connection = Connection.FromProfile(profile);
        await CompareAsync(
            "TLS", "SslStream echo", profile, key, [echoPid, Environment.ProcessId], serverPid, rounds, mebibytes, () => TlsEcho.SendAsync(connection, echoPort, mebibytes));
        return 0;
    }

    /// <summary>Rounds in turn; wall clock, and the CPU time of client and server together, which other work on the machine disturbs less.</summary>
    private static async Task CompareAsync(
        string way, string peerName, string profile, string key, int[] peerProcesses, int serverPid, int rounds, int mebibytes, Func<Task<double>> peer)
    {
        using var client = KeyServiceClient.Connect(ClientProfile.Load(profile).ToOptions());
        int[] ours = [serverPid, Environment.ProcessId];
        var (peers, encrypting, decrypting) = (new List<Round>(), new List<Round>(), new List<Round>());
        for (var round = -1; round < rounds; round++)
        {
            var back = await TimeAsync(peerProcesses, peer);
            var encrypt = await TimeAsync(ours, () => EncryptAsync(client, key, mebibytes));
            var archive = await ArchiveAsync(client, key, mebibytes);
            var decrypt = await TimeAsync(ours, () => DecryptAsync(client, archive, mebibytes));
            if (round < 0)
            {
                continue; // Warmed up.
            }

            peers.Add(back);
            encrypting.Add(encrypt);
            decrypting.Add(decrypt);
        }

        Console.WriteLine($"P5 {way}: {peerName} {Rate(peers, mebibytes)} each way, rounds={rounds} of {mebibytes} MiB");
        Console.WriteLine($"P5 {way}: encrypting stream {Rate(encrypting, mebibytes)}: {Ratios(peers, encrypting)}");
        Console.WriteLine($"P5 {way}: decrypting stream {Rate(decrypting, mebibytes)}: {Ratios(peers, decrypting)}");
    }

    private static async Task<Round> TimeAsync(int[] processes, Func<Task<double>> work)
    {
        var before = processes.Sum(ProcessTime.CpuSeconds);
        var seconds = await work();
        return new Round(seconds, processes.Sum(ProcessTime.CpuSeconds) - before);
    }

    private static string Rate(IEnumerable<Round> rounds, int mebibytes) =>
        $"{mebibytes * 1.048576 / Measure.Median(rounds.Select(r => r.Wall)):F0} MB/s, {Measure.Median(rounds.Select(r => r.Cpu)) * 1024 / mebibytes:F2} CPU-s/GiB";

    private static string Ratios(List<Round> peers, List<Round> ours)
    {
        var wall = peers.Zip(ours, (p, o) => p.Wall / o.Wall).ToList();
        return $"ratio={Measure.Median(wall):F2} ({wall.Min():F2} to {wall.Max():F2}), by CPU time {Measure.Median(peers.Zip(ours, (p, o) => p.Cpu / o.Cpu)):F2}";
    }

    private readonly record struct Round(double Wall, double Cpu);

    private static async Task<double> EncryptAsync(KeyServiceClient client, string key, int mebibytes)
    {
        using var content = new RepeatedBytes(new byte[1024 * 1024], mebibytes);
        var clock = Stopwatch.StartNew();
        var summary = await client.Cipher.EncryptArchiveAsync(key, EncryptionContext.Empty, "", content, Stream.Null);
        return summary.PlaintextBytes == mebibytes * 1024L * 1024
            ? clock.Elapsed.TotalSeconds
            : throw new InvalidOperationException("Not everything was encrypted.");
    }

    // An archive that is read and opened as it is made would measure both: it is made before, in memory, and opened as often as it takes.
    private static async Task<MemoryStream> ArchiveAsync(KeyServiceClient client, string key, int mebibytes)
    {
        var length = Math.Min(mebibytes, 256);
        var archive = new MemoryStream((length + 1) * 1024 * 1024);
        await client.Cipher.EncryptArchiveAsync(key, EncryptionContext.Empty, "", new RepeatedBytes(new byte[1024 * 1024], length), archive);
        return archive;
    }

    private static async Task<double> DecryptAsync(KeyServiceClient client, MemoryStream archive, int mebibytes)
    {
        var clock = Stopwatch.StartNew();
        for (var done = 0L; done < mebibytes * 1024L * 1024;)
        {
            archive.Position = 0;
            done += (await client.Cipher.DecryptArchiveAsync(null, archive, Stream.Null)).PlaintextBytes;
        }

        return clock.Elapsed.TotalSeconds;
    }

    private static Process Start(string file, params string[] arguments) => Process.Start(new ProcessStartInfo(file, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
    })!;

    /// <summary>The same piece over and over, for no cost.</summary>
    private sealed class RepeatedBytes(byte[] piece, int times) : Stream
    {
        private long left = (long)piece.Length * times;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            var take = (int)Math.Min(left, Math.Min(buffer.Length, piece.Length));
            piece.AsSpan(0, take).CopyTo(buffer);
            left -= take;
            return take;
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
