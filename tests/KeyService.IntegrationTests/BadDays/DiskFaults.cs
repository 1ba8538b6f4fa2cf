using System.IO.MemoryMappedFiles;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// The disk under a server process, with faults that are switched on and off while it runs (disk_faults.c, by LD_PRELOAD). Only the store's
/// files are concerned. Compiled once for the test run.
/// </summary>
internal sealed class DiskFaults : IDisposable
{
    public const int InputOutputError = 5, NoSpace = 28;
    private static readonly Lazy<Task<string>> Compiled = new(CompileAsync);
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor words;

    private DiskFaults(string path)
    {
        File.WriteAllBytes(path, new byte[64]);
        file = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
        words = file.CreateViewAccessor();
    }

    private enum Word
    {
        SyncError,
        SyncDelay,
        SyncHold,
        Full,
        WriteError,
        ReadError,
        Syncs,
        Faults,
    }

    /// <summary>errno of every sync; 0 is none.</summary>
    public int SyncError { set => Set(Word.SyncError, value); }

    /// <summary>Milliseconds that each sync takes longer.</summary>
    public int SyncDelay { set => Set(Word.SyncDelay, value); }

    /// <summary>While true no sync returns.</summary>
    public bool SyncHold { set => Set(Word.SyncHold, value ? 1 : 0); }

    /// <summary>While true no file gets longer (ENOSPC).</summary>
    public bool Full { set => Set(Word.Full, value ? 1 : 0); }

    /// <summary>errno of every write; 0 is none.</summary>
    public int WriteError { set => Set(Word.WriteError, value); }

    /// <summary>errno of every read; 0 is none.</summary>
    public int ReadError { set => Set(Word.ReadError, value); }

    /// <summary>Syncs that were asked for.</summary>
    public int Syncs => words.ReadInt32(4 * (int)Word.Syncs);

    /// <summary>Calls that were failed, delayed or held.</summary>
    public int Faults => words.ReadInt32(4 * (int)Word.Faults);

    /// <summary>Puts faults under the server of <paramref name="service"/>, none switched on; it must not run yet.</summary>
    public static async Task<DiskFaults> UnderAsync(ServiceFixture service)
    {
        var library = await Compiled.Value;
        var path = Path.Combine(service.Directory, "disk-faults");
        var faults = new DiskFaults(path);
        service.Environment["LD_PRELOAD"] = library;
        service.Environment["KEYSERVICE_TEST_DISK"] = path;
        service.Environment["KEYSERVICE_TEST_DISK_FILES"] = service.StorePath;
        return faults;
    }

    public void Dispose()
    {
        words.Dispose();
        file.Dispose();
    }

    private void Set(Word word, int value) => words.Write(4 * (int)word, value);

    private static async Task<string> CompileAsync()
    {
        var gcc = Infrastructure.RequireTool("gcc", "gcc");
        var source = Path.Combine(Infrastructure.RepositoryRoot, "tests/KeyService.IntegrationTests/BadDays/disk_faults.c");
        var output = Path.Combine(AppContext.BaseDirectory, "disk_faults.so");
        (await Command.RunAsync(gcc, ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", output, source, "-ldl"])).ExpectExit(0);
        return output;
    }
}
