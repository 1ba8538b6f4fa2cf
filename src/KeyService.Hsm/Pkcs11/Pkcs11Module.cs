using System.Runtime.InteropServices;
using System.Text;
using KeyService.Hsm.Connection;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.LowLevelAPI80;

namespace KeyService.Hsm.Pkcs11;

/// <summary>
/// A loaded and initialised PKCS#11 module. C_Initialize and C_Finalize act on the whole process, so a module is shared by every token opened on it and
/// counted; the last one to leave finalises it. The library itself stays mapped: unloading one that started threads is not safe.
/// </summary>
internal sealed unsafe class Pkcs11Module
{
    private static readonly Dictionary<string, Pkcs11Module> Loaded = [];
    private static readonly Lock Registry = new();

    private string? nssParameters;
    private int users;
    private bool refusedToFinalize;

    private Pkcs11Module(string path)
    {
        Path = path;
        Library = Load(path, out var functionList);
        Native = new NativeCalls(functionList);
    }

    internal string Path { get; }

    internal Pkcs11Library Library { get; }

    internal NativeCalls Native { get; }

    internal OperationGate Gate { get; } = new();

    /// <summary>Number of the module's life, from 1; every Finalize ends one, and with it every handle. Changes only while the gate is closed.</summary>
    internal long Generation { get; private set; } = 1;

    /// <summary>False between a Finalize and an Initialize that failed.</summary>
    internal bool IsInitialized { get; private set; }

    /// <summary>Loads and initialises the module, or joins those that use it already.</summary>
    internal static Pkcs11Module Acquire(string path, string? nssParameters)
    {
        var full = Canonical(path);
        lock (Registry)
        {
            if (!Loaded.TryGetValue(full, out var module))
            {
                module = new Pkcs11Module(full);
                Loaded.Add(full, module);
            }
            if (module.users == 0)
            {
                module.nssParameters = nssParameters;
                module.Initialize();
            }
            else if (module.nssParameters != nssParameters)
            {
                throw new HsmException(HsmFault.Misconfigured,
                    $"The module {full} is in use in this process with other NSS parameters; all tokens of one module share them.");
            }
            module.users++;
            return module;
        }
    }

    /// <summary>Leaves the module; the last one finalises it. The caller has closed its own sessions and holds the gate closed.</summary>
    internal void Release()
    {
        lock (Registry)
        {
            if (--users == 0)
            {
                FinalizeModule();
            }
        }
    }

    /// <summary>Finalize and Initialize. Only with the gate closed.</summary>
    internal void Reinitialize()
    {
        lock (Registry)
        {
            FinalizeModule();
            Initialize();
        }
    }

    internal static void Check(CKR code, string function, string explanation)
    {
        WatchedWork.Beat();
        if (code != CKR.CKR_OK)
        {
            throw Failure((ulong)code, function, explanation);
        }
    }

    internal static HsmException Failure(ulong code, string function, string explanation) =>
        new(ReturnCodes.IsTokenLost(code) || ReturnCodes.IsSessionLost(code) ? HsmFault.Unavailable : HsmFault.Unexpected,
            function, code, explanation);

    private static string Canonical(string path)
    {
        if (!File.Exists(path))
        {
            throw new HsmException(HsmFault.ModuleNotFound,
                $"There is no PKCS#11 module at {path}. Correct hsm.module in the configuration, or install the module (SoftHSM: apt-get install softhsm2).");
        }
        var full = System.IO.Path.GetFullPath(path);
        return new FileInfo(full).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? full;
    }

    private static Pkcs11Library Load(string path, out nint functionList)
    {
        // Looked at through the runtime first: the package reports a failed dlopen without the loader's own words.
        nint handle;
        try
        {
            handle = NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            throw new HsmException(HsmFault.ModuleNotFound,
                $"{path} cannot be loaded as a shared library for this machine: {exception.Message}", exception);
        }
        if (!NativeLibrary.TryGetExport(handle, "C_GetFunctionList", out var getFunctionList))
        {
            throw new HsmException(HsmFault.ModuleNotFound,
                $"{path} is a shared library but no PKCS#11 module: it exports no C_GetFunctionList. Correct hsm.module in the configuration.");
        }
        DynamicLoader.Prepare();
        Pkcs11Library library;
        try
        {
            library = new Pkcs11Library(path, useGetFunctionList: true);
        }
        catch (Exception exception) when (exception is UnmanagedException or Pkcs11Exception)
        {
            throw new HsmException(HsmFault.ModuleNotFound, $"{path} is not a usable PKCS#11 module: {exception.Message}", exception);
        }
        // The exported one, as the package asks: a proxy's list may still carry the C_GetFunctionList of the module behind it.
        nint list;
        var code = ((delegate* unmanaged[Cdecl]<nint*, ulong>)getFunctionList)(&list);
        Check((CKR)(uint)code, "C_GetFunctionList", $"{path} gives no function list. Is it a PKCS#11 module?");
        functionList = list;
        return library;
    }

    private void Initialize()
    {
        var code = CallInitialize();
        if (code == CKR.CKR_CRYPTOKI_ALREADY_INITIALIZED && refusedToFinalize)
        {
            // By us: it lives on since it refused to finalise, and now that it answers again it will not refuse.
            _ = Library.C_Finalize(IntPtr.Zero);
            code = CallInitialize();
        }
        if (code == CKR.CKR_CRYPTOKI_ALREADY_INITIALIZED)
        {
            throw new HsmException(HsmFault.Unexpected, "C_Initialize", (ulong)code,
                "another part of this process uses the module already. Only one may, since Finalize ends it for both.");
        }
        Check(code, "C_Initialize",
            "the module could not be initialised. For SoftHSM, check that SOFTHSM2_CONF names a readable file and that its token directory exists.");
        IsInitialized = true;
        refusedToFinalize = false;
    }

    private CKR CallInitialize() => nssParameters is null
        ? Library.C_Initialize(new CK_C_INITIALIZE_ARGS { Flags = CKF.CKF_OS_LOCKING_OK })
        : InitializeNss(nssParameters);

    /// <summary>NSS takes its settings from a string that only its own argument structure has room for.</summary>
    private CKR InitializeNss(string parameters)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(parameters + "\0"))
        {
            var arguments = new NativeCalls.InitializeArguments { Flags = CKF.CKF_OS_LOCKING_OK, LibraryParameters = text };
            return (CKR)(uint)Native.Initialize(&arguments);
        }
    }

    private void FinalizeModule()
    {
        if (!IsInitialized)
        {
            return;
        }
        IsInitialized = false;
        Generation++;
        // A module that lost its device may refuse to finalise; there is nothing better to do with it than to initialise it again.
        refusedToFinalize = Library.C_Finalize(IntPtr.Zero) != CKR.CKR_OK;
        WatchedWork.Beat();
    }
}
