namespace KeyService.Crypto;

/// <summary>The AES-256 block function under one key, for key derivation only: encrypts blocks one by one. Not thread-safe.</summary>
internal abstract class BlockEngine : IDisposable
{
    /// <param name="blocks">A multiple of 16 bytes, each block replaced by its encryption.</param>
    internal abstract void EncryptInPlace(Span<byte> blocks);

    public abstract void Dispose();
}
