using KeyService.Hsm.Pkcs11;

namespace KeyService.Hsm;

/// <summary>A failure of the token. The message says what happened and what to do next; it never holds a secret.</summary>
public sealed class HsmException : Exception
{
    internal HsmException(HsmFault fault, string function, ulong returnCode, string explanation, Exception? inner = null)
        : base(Compose(function, returnCode, explanation), inner)
    {
        Fault = fault;
        Function = function;
        ReturnCode = returnCode;
    }

    internal HsmException(HsmFault fault, string explanation, Exception? inner = null)
        : this(fault, "", 0, explanation, inner)
    {
    }

    private HsmException(string message, HsmException cause)
        : base(message, cause)
    {
        Fault = HsmFault.Unavailable;
        Function = cause.Function;
        ReturnCode = cause.ReturnCode;
    }

    /// <summary>What a call gets while one is stuck inside the module.</summary>
    internal static HsmException Hung(string explanation, Task? leftBehind) => new(HsmFault.Unavailable, explanation) { LeftBehind = leftBehind };

    /// <summary>The call itself, when it is inside the module still: completes when it has come back. Until then it uses the memory it was given.</summary>
    internal Task? LeftBehind { get; private init; }

    /// <summary>What every call gets while the token is lost: the cause's own words, function and code.</summary>
    internal static HsmException Lost(HsmException cause) =>
        new($"The token is lost and could not be reconnected. {cause.Message}", cause);

    /// <summary>The kind of failure.</summary>
    public HsmFault Fault { get; }

    /// <summary>The PKCS#11 function that failed, for example <c>C_Login</c>; empty when none was called.</summary>
    public string Function { get; }

    /// <summary>The CK_RV of that function; 0 when none was called.</summary>
    public ulong ReturnCode { get; }

    /// <summary>The name of the code in the standard, for example <c>CKR_PIN_INCORRECT</c>.</summary>
    public string ReturnCodeName => ReturnCodes.Name(ReturnCode);

    private static string Compose(string function, ulong code, string explanation) =>
        function.Length == 0 ? explanation : $"{function} returned {ReturnCodes.Name(code)} (0x{code:X}): {explanation}";
}
