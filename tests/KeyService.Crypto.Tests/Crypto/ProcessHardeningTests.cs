using System.Runtime.InteropServices;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

public sealed partial class ProcessHardeningTests
{
    private const int GetDumpable = 3;
    private const int SetDumpable = 4;

    [Fact]
    public void Core_dumps_are_off_afterwards()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "prctl is Linux's.");
        int before = Prctl(GetDumpable, 0, 0, 0, 0);
        try
        {
            Assert.True(ProcessHardening.DisableCoreDumps());
            Assert.Equal(0, Prctl(GetDumpable, 0, 0, 0, 0));
            Assert.Matches(@"Max core file size\s+0\s+0\s", File.ReadAllText("/proc/self/limits"));
        }
        finally
        {
            // Other tests of this process read /proc/self, which the switch closes to all but root.
            _ = Prctl(SetDumpable, (nuint)before, 0, 0, 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Prctl(int option, nuint argument2, nuint argument3, nuint argument4, nuint argument5);
}
