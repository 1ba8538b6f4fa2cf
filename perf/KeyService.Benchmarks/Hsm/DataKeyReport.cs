using System.Globalization;
using System.Runtime.InteropServices;
using KeyService.Crypto;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;
using Net.Pkcs11Interop.LowLevelAPI80.MechanismParams;

namespace KeyService.Benchmarks.Hsm;

/// <summary>
/// Bar P2 at the token: GenerateDataKeys of 1,000 against a C loop over the same module, and against the same loop over Pkcs11Interop's delegates, in interleaved
/// rounds of one run. Wall and CPU time of the working thread. <c>KeyService.Benchmarks hsm-data-keys [rounds]</c>.
/// </summary>
internal static partial class DataKeyReport
{
    private const int Keys = 1000;
    private const int ThreadCpuTime = 3;
    private const int Monotonic = 1;

    internal static async Task RunAsync(int rounds)
    {
        var aad = AssociatedData.ToArray(
            AadPurpose.DataKeyGeneral, WrappedDataKey.Format, new KeyVersionId(1), [], EncryptionContext.Create([new("tenant", "st-mary"), new("table", "observation")]));
        await using var benchmark = await BenchmarkToken.CreateAsync();
        using var peer = await benchmark.StartPeerAsync(aad.Length, besideAThread: false);
        using var threadedPeer = await benchmark.StartPeerAsync(aad.Length, besideAThread: true);
        var plaintexts = new byte[Keys * WrappedDataKey.DataKeyLength];
        var wrapped = new byte[Keys * WrappedDataKey.Length];
        using var package = new PackageLoop(aad);

        (string Name, Func<(double Wall, double Cpu)> Round)[] works =
        [
            ("C loop: random, EncryptInit, Encrypt a key", () => Peer(peer)),
            ("the same beside an idle thread", () => Peer(threadedPeer)),
            ("HsmToken.GenerateDataKeysAsync(1,000)", () => Timed(() =>
                Finish(benchmark.Token.GenerateDataKeysAsync(benchmark.KeyVersion, Keys, _ => aad, plaintexts, wrapped)))),
            ("the C loop's calls over Pkcs11Interop's delegates", () => Timed(() => package.Run(Keys))),
            ("1,000 x HsmToken.WrapDataKeyAsync", () => Timed(() =>
            {
                for (var i = 0; i < Keys; i++)
                {
                    Finish(benchmark.Token.WrapDataKeyAsync(benchmark.KeyVersion, plaintexts.AsMemory(0, 32), aad, wrapped.AsMemory(0, 69)));
                }
            })),
        ];
        foreach (var (_, round) in works)
        {
            for (var warm = 0; warm < 60; warm++)
            {
                round();
            }
        }
        var times = works.Select(_ => new List<(double Wall, double Cpu)>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < works.Length; i++)
            {
                times[i].Add(works[i].Round());
            }
        }
        Console.WriteLine($"1,000 data keys on {benchmark.Token.Info.TokenModel} {benchmark.Token.Info.LibraryVersion}, {rounds} interleaved rounds, AAD of {aad.Length} bytes; ns a key");
        Console.WriteLine("| | wall median | wall best | CPU median | CPU best | speed against C (CPU median) | (wall median) |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        var reference = Summary(times[0]);
        for (var i = 0; i < works.Length; i++)
        {
            var (wall, wallBest, cpu, cpuBest) = Summary(times[i]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {works[i].Name} | {wall:F0} | {wallBest:F0} | {cpu:F0} | {cpuBest:F0} | {reference.Cpu / cpu:F2} | {reference.Wall / wall:F2} |"));
        }
        var before = GC.GetAllocatedBytesForCurrentThread();
        works[2].Round();
        Console.WriteLine($"allocated by one GenerateDataKeysAsync of 1,000: {GC.GetAllocatedBytesForCurrentThread() - before} bytes");
        package.ReportCallOverhead();
        foreach (var child in new[] { peer, threadedPeer })
        {
            child.StandardInput.Close();
            await child.WaitForExitAsync();
        }
    }

    private static void Finish(ValueTask call)
    {
        if (!call.AsTask().IsCompletedSuccessfully)
        {
            throw new InvalidOperationException("The call left its thread; its CPU time would not be counted.");
        }
    }

    private static (double Wall, double WallBest, double Cpu, double CpuBest) Summary(List<(double Wall, double Cpu)> rounds)
    {
        var wall = rounds.Select(round => round.Wall / Keys).Order().ToArray();
        var cpu = rounds.Select(round => round.Cpu / Keys).Order().ToArray();
        return (wall[wall.Length / 2], wall[0], cpu[cpu.Length / 2], cpu[0]);
    }

    private static (double Wall, double Cpu) Peer(System.Diagnostics.Process peer)
    {
        peer.StandardInput.WriteLine(Keys);
        peer.StandardInput.Flush();
        var answer = (peer.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The C peer ended.")).Split(' ');
        return (double.Parse(answer[0], CultureInfo.InvariantCulture), double.Parse(answer[1], CultureInfo.InvariantCulture));
    }

    private static (double Wall, double Cpu) Timed(Action work)
    {
        var (wall, cpu) = (Now(Monotonic), Now(ThreadCpuTime));
        work();
        return (Now(Monotonic) - wall, Now(ThreadCpuTime) - cpu);
    }

    private static double Now(int clock)
    {
        _ = ClockGetTime(clock, out var time);
        return (time.Seconds * 1e9) + time.Nanoseconds;
    }

    /// <summary>The peer's loop in C# over the package alone: byte[] in, byte[] out, parameters marshalled by hand as it must be done with it.</summary>
    private sealed class PackageLoop : IDisposable
    {
        private readonly Pkcs11Module module = Pkcs11Module.Acquire(BenchmarkToken.Module, null);
        private readonly HsmSession session;
        private readonly KeyHandle key;
        private readonly nint memory;
        private readonly nint parameters;
        private readonly byte[] drawn = new byte[44];
        private readonly byte[] plaintext = new byte[32];
        private readonly byte[] output = new byte[64];

        internal PackageLoop(byte[] aad)
        {
            var (slot, _) = TokenLocator.Find(module, BenchmarkToken.Label, null);
            session = new HsmSession(module, slot, readWrite: false);
            using var template = KeyTemplates.Extractable(WrappedKeyKind.Kek);
            key = session.GenerateKey(CKM.CKM_AES_KEY_GEN, template, "the key");
            memory = Marshal.AllocHGlobal(12 + aad.Length);
            Marshal.Copy(aad, 0, memory + 12, aad.Length);
            parameters = Marshal.AllocHGlobal(Marshal.SizeOf<CK_GCM_PARAMS>());
            Marshal.StructureToPtr(
                new CK_GCM_PARAMS { Iv = memory, IvLen = 12, IvBits = 96, AAD = memory + 12, AADLen = (ulong)aad.Length, TagBits = 128 }, parameters, false);
        }

        internal void Run(int count)
        {
            var library = module.Library;
            for (var i = 0; i < count; i++)
            {
                Check(library.C_GenerateRandom(session.Handle, drawn, (ulong)drawn.Length));
                Marshal.Copy(drawn, 32, memory, 12);
                drawn.AsSpan(0, 32).CopyTo(plaintext);
                var mechanism = new CK_MECHANISM { Mechanism = (ulong)CKM.CKM_AES_GCM, Parameter = parameters, ParameterLen = 48 };
                Check(library.C_EncryptInit(session.Handle, ref mechanism, key.Value));
                var length = (ulong)output.Length;
                Check(library.C_Encrypt(session.Handle, plaintext, 32, output, ref length));
            }
        }

        /// <summary>One call with next to no work behind it: 16 random bytes, by function pointer and by the package's delegate.</summary>
        internal void ReportCallOverhead()
        {
            const int Calls = 20_000;
            var buffer = new byte[16];
            Action[] ways =
            [
                () =>
                {
                    for (var i = 0; i < Calls; i++)
                    {
                        session.Random(buffer);
                    }
                },
                () =>
                {
                    for (var i = 0; i < Calls; i++)
                    {
                        Check(module.Library.C_GenerateRandom(session.Handle, buffer, 16));
                    }
                },
            ];
            var best = new[] { double.MaxValue, double.MaxValue };
            for (var round = 0; round < 41; round++)
            {
                for (var way = 0; way < ways.Length; way++)
                {
                    best[way] = double.Min(best[way], Timed(ways[way]).Cpu / Calls);
                }
            }
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"C_GenerateRandom of 16 bytes, best CPU ns of 41 rounds: function pointer {best[0]:F0}, Pkcs11Interop's delegate {best[1]:F0}"));
        }

        public void Dispose()
        {
            session.Close();
            Marshal.FreeHGlobal(parameters);
            Marshal.FreeHGlobal(memory);
            module.Release();
        }

        private static void Check(CKR code)
        {
            if (code != CKR.CKR_OK)
            {
                throw new InvalidOperationException(code.ToString());
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct TimeSpec
    {
        internal readonly nint Seconds;
        internal readonly nint Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);
}
