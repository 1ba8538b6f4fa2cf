using System.IO.MemoryMappedFiles;
using HsmSim.Functions;

namespace HsmSim.Control;

/// <summary>
/// Calls per function in a mapped text file: always up to date for who reads it, at no system call a call. A line is 32 bytes, eight digits and the name; the
/// digits are one aligned word, written at once.
/// </summary>
internal static unsafe class Counters
{
    private const int LineLength = 32;
    private const int Digits = 8;
    private const int Greatest = 99_999_999;
    private static readonly Lock Turn = new();
    private static readonly int[] Counts = new int[FunctionList.Count];
    private static string? path;
    private static byte* lines;

    internal static void Count(Function function)
    {
        if (lines == null)
        {
            return;
        }
        lock (Turn)
        {
            if (lines != null && Counts[(int)function] < Greatest)
            {
                Counts[(int)function]++;
                Show(function);
            }
        }
    }

    /// <summary>Counts into this file from now on, from zero; the same one as before goes on.</summary>
    internal static void Follow(string? file)
    {
        lock (Turn)
        {
            if (file == path)
            {
                return;
            }
            path = file;
            lines = null;
            if (file is null)
            {
                return;
            }
            try
            {
                Map(file);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
            {
                Log.Write($"the counter file {file}: {exception.Message}");
            }
        }
    }

    private static void Map(string file)
    {
        long size = Counts.Length * LineLength;
        using var stream = new FileStream(file, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        stream.SetLength(size);
        // Neither is disposed of: another thread may be about to count, and a file or two of two kilobytes is nothing.
        var view = MemoryMappedFile.CreateFromFile(stream, null, size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true)
            .CreateViewAccessor();
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        Array.Clear(Counts);
        for (var i = 0; i < Counts.Length; i++)
        {
            var line = new Span<byte>(start + (i * LineLength), LineLength);
            line.Fill((byte)' ');
            line[^1] = (byte)'\n';
            System.Text.Encoding.ASCII.GetBytes(((Function)i).ToString(), line[(Digits + 1)..]);
        }
        lines = start;
        foreach (var function in Enum.GetValues<Function>())
        {
            Show(function);
        }
    }

    private static void Show(Function function)
    {
        ulong word = 0;
        var rest = Counts[(int)function];
        for (var i = 0; i < Digits; i++, rest /= 10)
        {
            word = (word << 8) | (byte)('0' + (rest % 10)); // the last digit stands in the highest byte: little-endian
        }
        Volatile.Write(ref *(ulong*)(lines + ((int)function * LineLength)), word);
    }
}
