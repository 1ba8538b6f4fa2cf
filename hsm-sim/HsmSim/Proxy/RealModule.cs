using System.Runtime.InteropServices;
using HsmSim.Control;
using HsmSim.Functions;

namespace HsmSim.Proxy;

/// <summary>The module behind the simulator: the file HSMSIM_MODULE, loaded at the first C_Initialize and never unloaded.</summary>
internal static unsafe class RealModule
{
    private static readonly Lock Turn = new();
    private static string? path;
    private static nint* entries;

    /// <summary>True between a C_Initialize and the next C_Finalize that worked.</summary>
    internal static bool IsLoaded { get; set; }

    /// <summary>Loads the module that the environment names now; false, and a line in the log, when that cannot be.</summary>
    internal static bool TryLoad()
    {
        lock (Turn)
        {
            var named = Native.Environment("HSMSIM_MODULE");
            if (named is null)
            {
                Log.Write("HSMSIM_MODULE must name the PKCS#11 module behind the simulator");
                return false;
            }
            if (named == path)
            {
                return true;
            }
            if (!NativeLibrary.TryLoad(named, out var library) || !NativeLibrary.TryGetExport(library, "C_GetFunctionList", out var get))
            {
                Log.Write($"{named} cannot be loaded, or is no PKCS#11 module");
                return false;
            }
            byte* list;
            if (((delegate* unmanaged[Cdecl]<byte**, nuint>)get)(&list) != ReturnCode.Ok)
            {
                Log.Write($"{named} gives no function list");
                return false;
            }
            path = named;
            entries = (nint*)(list + FunctionList.FirstPointerOffset);
            return true;
        }
    }

    /// <summary>
    /// Calls a function with eight arguments, however many it has: where arguments go by register and the caller clears its own stack (System V on x86-64 and
    /// AArch64), a function does not see those it does not know.
    /// </summary>
    internal static nuint Invoke(Function function, ReadOnlySpan<nuint> given)
    {
        var a = new Arguments();
        given.CopyTo(a);
        return ((delegate* unmanaged[Cdecl]<nuint, nuint, nuint, nuint, nuint, nuint, nuint, nuint, nuint>)entries[(int)function])(
            a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
    }
}
