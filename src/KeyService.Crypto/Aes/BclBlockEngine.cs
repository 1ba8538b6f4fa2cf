using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>The block function by the BCL.</summary>
internal sealed class BclBlockEngine : BlockEngine
{
    private readonly Aes _aes = Aes.Create();

    internal BclBlockEngine(ReadOnlySpan<byte> key) => _aes.SetKey(key);

    internal override void EncryptInPlace(Span<byte> blocks)
    {
        // ECB over the blocks of a key derivation (SP 800-108 with CMAC), never over data.
#pragma warning disable CA5358
        _aes.EncryptEcb(blocks, blocks, PaddingMode.None);
#pragma warning restore CA5358
    }

    public override void Dispose() => _aes.Dispose();
}
