using System.Reflection;
using System.Runtime.InteropServices;
using Net.Pkcs11Interop.LowLevelAPI80;

namespace KeyService.Hsm.Pkcs11;

/// <summary>
/// Pkcs11Interop imports dlopen from "libdl", a name that only development packages provide (libdl.so): on a plain Debian it is libdl.so.2, and on musl
/// and glibc from 2.34 the function stands in libc itself. Tell the runtime where to look.
/// </summary>
internal static class DynamicLoader
{
    private static readonly Lazy<bool> Resolver = new(() =>
    {
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(Pkcs11Library).Assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
            // The host process has set one already; a failure to load will then say so by name.
        }
        return true;
    });

    internal static void Prepare() => _ = Resolver.Value;

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search)
    {
        if (name != "libdl" || OperatingSystem.IsWindows() || OperatingSystem.IsMacOS())
        {
            return 0; // the runtime's own way
        }
        foreach (var candidate in new[] { "libdl.so.2", "libc.so.6", "libc.so" })
        {
            if (NativeLibrary.TryLoad(candidate, out var handle))
            {
                return handle;
            }
        }
        return 0;
    }
}
