using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>Every implementation of AES there is: one contract, all of them.</summary>
internal static class AesBackends
{
    public static TheoryData<string> Names => ["evp", "bcl"];

    internal static AesBackend Get(string name)
    {
        if (name == "bcl")
        {
            return AesBackend.Bcl;
        }
        Infrastructure.Require(AesBackend.Evp is not null, "OpenSSL's libcrypto 3");
        return AesBackend.Evp!;
    }
}
