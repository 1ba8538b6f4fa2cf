namespace KeyService.Crypto;

/// <summary>The block function by libcrypto: several blocks in one call.</summary>
internal sealed class EvpBlockEngine : BlockEngine
{
    private readonly EvpContext _context = EvpContext.Create(LibCrypto.Aes256Ecb);

    internal EvpBlockEngine(ReadOnlySpan<byte> key)
    {
        _context.DisablePadding();
        _context.StartEncryption(key, []);
    }

    // Without padding and over whole blocks nothing is held back, so the context never has to be finished or started again.
    internal override void EncryptInPlace(Span<byte> blocks) => _context.Encrypt(blocks, blocks);

    public override void Dispose() => _context.Dispose();
}
