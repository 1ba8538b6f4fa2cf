using System.Runtime.CompilerServices;

namespace HsmSim.Proxy;

/// <summary>Up to eight arguments of a call, each one register wide; those that a function does not have are 0.</summary>
[InlineArray(Length)]
internal struct Arguments
{
    internal const int Length = 8;

    private nuint first;
}
