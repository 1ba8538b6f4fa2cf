using System.Runtime.InteropServices;

namespace KeyService.Crypto;

/// <summary>
/// 256 KiB of memory between two pages that may not be touched. On Linux: mmap, mlock, MADV_DONTDUMP, and MADV_WIPEONFORK so that a child
/// between fork and exec sees zeros. Elsewhere, or if mmap fails: a pinned array. Never given back to the system. Guarded by the arena's lock.
/// </summary>
internal sealed unsafe partial class SecretRegion
{
    private const int Length = 256 * 1024;
    private const int Cells = Length / SecretArena.CellLength;

    private const int ProtectNone = 0;
    private const int ProtectReadWrite = 3;
    private const int MapPrivateAnonymous = 0x22;
    private const int AdviseDontDump = 16;
    private const int AdviseWipeOnFork = 18;

    private readonly bool[] _taken = new bool[Cells];
    private readonly byte[]? _pinned;
    private readonly byte* _base;
    private int _hint;

    internal SecretRegion()
    {
        _base = OperatingSystem.IsLinux() ? Map(out bool locked) : Unmapped(out locked);
        IsLocked = locked;
        if (_base == null)
        {
            _pinned = GC.AllocateArray<byte>(Length, pinned: true);
            _base = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_pinned, 0);
        }
    }

    internal bool IsLocked { get; }

    internal Span<byte> Bytes(int first, int count) => new(_base + (first * SecretArena.CellLength), count * SecretArena.CellLength);

    internal bool TryTake(int count, out int first)
    {
        // First fit, beginning where the last cell was given back or taken: nearly always one step.
        return TryTake(_hint, Cells, count, out first) || TryTake(0, Cells, count, out first);
    }

    internal void GiveBack(int first, int count)
    {
        Array.Clear(_taken, first, count);
        _hint = first;
    }

    private bool TryTake(int from, int to, int count, out int first)
    {
        int free = 0;
        for (int i = from; i < to; i++)
        {
            free = _taken[i] ? 0 : free + 1;
            if (free == count)
            {
                first = i - count + 1;
                Array.Fill(_taken, true, first, count);
                _hint = i + 1 < Cells ? i + 1 : 0;
                return true;
            }
        }
        first = -1;
        return false;
    }

    private static byte* Map(out bool locked)
    {
        locked = false;
        nuint page = (nuint)Environment.SystemPageSize;
        nuint whole = Length + (2 * page);
        nint map = Mmap(0, whole, ProtectReadWrite, MapPrivateAnonymous, -1, 0);
        if (map == -1)
        {
            return null;
        }
        byte* start = (byte*)map + page;
        // The guards, the dump exclusion and the lock are each worth having without the others; only the lock is reported.
        _ = Mprotect(map, page, ProtectNone);
        _ = Mprotect((nint)(start + Length), page, ProtectNone);
        _ = Madvise((nint)start, Length, AdviseDontDump);
        _ = Madvise((nint)start, Length, AdviseWipeOnFork);
        locked = Mlock((nint)start, Length) == 0;
        return start;
    }

    private static byte* Unmapped(out bool locked)
    {
        locked = false;
        return null;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Mmap(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "mlock")]
    private static partial int Mlock(nint address, nuint length);
}
