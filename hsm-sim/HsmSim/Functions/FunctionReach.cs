namespace HsmSim.Functions;

/// <summary>What a function needs of the device.</summary>
internal enum Reach
{
    /// <summary>The library alone.</summary>
    Library,

    /// <summary>A token in a slot; the first argument is the slot.</summary>
    Token,

    /// <summary>A session; the first argument is its handle.</summary>
    Session,
}

internal static class FunctionReach
{
    internal static Reach Of(Function function) => function switch
    {
        Function.C_Initialize or Function.C_Finalize or Function.C_GetInfo or Function.C_GetFunctionList or Function.C_GetSlotList or Function.C_GetSlotInfo
            or Function.C_WaitForSlotEvent => Reach.Library,
        Function.C_GetTokenInfo or Function.C_GetMechanismList or Function.C_GetMechanismInfo or Function.C_InitToken or Function.C_OpenSession
            or Function.C_CloseAllSessions => Reach.Token,
        _ => Reach.Session,
    };

    /// <summary>Which argument is the buffer that the function writes its result to; -1 for functions that give no bytes.</summary>
    internal static int ResultArgument(Function function) => function switch
    {
        Function.C_GenerateRandom => 1,
        Function.C_EncryptFinal or Function.C_DecryptFinal or Function.C_DigestFinal or Function.C_SignFinal => 1,
        Function.C_Encrypt or Function.C_EncryptUpdate or Function.C_Decrypt or Function.C_DecryptUpdate or Function.C_Digest or Function.C_Sign
            or Function.C_SignRecover or Function.C_VerifyRecover or Function.C_DigestEncryptUpdate or Function.C_DecryptDigestUpdate
            or Function.C_SignEncryptUpdate or Function.C_DecryptVerifyUpdate => 3,
        Function.C_WrapKey => 4,
        _ => -1,
    };
}
