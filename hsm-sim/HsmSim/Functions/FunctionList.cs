using System.Runtime.InteropServices;
using HsmSim.Control;

namespace HsmSim.Functions;

/// <summary>
/// CK_FUNCTION_LIST of PKCS#11 v2.40, every entry one of ours, in memory that lives as long as the process. Every parameter of every function is
/// one register wide: CK_ULONG, a pointer, or a CK_BBOOL whose upper bits are passed on as they came.
/// </summary>
internal static unsafe class FunctionList
{
    internal const int FirstPointerOffset = 8; // CK_VERSION is two bytes, then natural alignment

    internal static readonly int Count = Enum.GetValues<Function>().Length;

    private static readonly nint List = Build();

    /// <summary>The one export by which a PKCS#11 application finds all other functions.</summary>
    [UnmanagedCallersOnly(EntryPoint = "C_GetFunctionList", CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static nuint Export(nint list) => Give(list);

    internal static nuint Give(nint list)
    {
        try
        {
            if (list == 0)
            {
                return ReturnCode.ArgumentsBad;
            }
            *(nint*)list = List;
            return ReturnCode.Ok;
        }
        catch (Exception exception)
        {
            Log.Write($"C_GetFunctionList: {exception.Message}");
            return ReturnCode.GeneralError;
        }
    }

    private static nint Build()
    {
        var entries = new nint[Count];
        GeneralEntries.Fill(entries);
        SessionEntries.Fill(entries);
        CipherEntries.Fill(entries);
        SignatureEntries.Fill(entries);
        KeyEntries.Fill(entries);
        var list = (byte*)NativeMemory.AllocZeroed((nuint)(FirstPointerOffset + (Count * sizeof(nint))));
        (list[0], list[1]) = (2, 40);
        entries.CopyTo(new Span<nint>(list + FirstPointerOffset, Count));
        return (nint)list;
    }
}
