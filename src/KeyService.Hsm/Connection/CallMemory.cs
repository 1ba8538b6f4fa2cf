using System.Security.Cryptography;

namespace KeyService.Hsm.Connection;

/// <summary>What a hot operation reads and where it writes.</summary>
internal readonly record struct CallBuffers(
    ReadOnlyMemory<byte> Input, ReadOnlyMemory<byte> AssociatedData, Memory<byte> Output, Memory<byte> SecondOutput = default);

/// <summary>
/// Buffers of a call's own, for one that may be left behind: its caller's memory may be zeroed, used for another call or gone by the time the module writes.
/// Pinned, so that zeroing reaches every copy.
/// </summary>
internal sealed class CallMemory
{
    private readonly byte[] array;

    internal CallMemory(in CallBuffers caller)
    {
        var (input, aad, output, second) = (caller.Input.Length, caller.AssociatedData.Length, caller.Output.Length, caller.SecondOutput.Length);
        array = GC.AllocateUninitializedArray<byte>(input + aad + output + second, pinned: true);
        caller.Input.CopyTo(array);
        caller.AssociatedData.CopyTo(array.AsMemory(input));
        Buffers = new CallBuffers(
            array.AsMemory(0, input), array.AsMemory(input, aad), array.AsMemory(input + aad, output), array.AsMemory(input + aad + output, second));
    }

    internal CallBuffers Buffers { get; }

    internal void GiveTo(in CallBuffers caller)
    {
        Buffers.Output.CopyTo(caller.Output);
        Buffers.SecondOutput.CopyTo(caller.SecondOutput);
    }

    internal void Zero() => CryptographicOperations.ZeroMemory(array);
}
