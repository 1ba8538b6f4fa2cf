using System.Security.Cryptography;

namespace KeyService.Crypto.Archives;

/// <summary>Proves the length of a payload in a seekable stream by opening its last chunk, without touching the others.</summary>
internal static class PayloadEnd
{
    /// <param name="archive">The archive.</param>
    /// <param name="chunks">Where the first chunk begins.</param>
    /// <param name="keys">Keys of the message, its commitment checked.</param>
    /// <returns>Length of the plaintext.</returns>
    /// <exception cref="ArchiveException">Truncated, VerificationFailed, TooLong.</exception>
    public static long Prove(Stream archive, long chunks, MessageKeys keys)
    {
        (long full, long rest) = Math.DivRem(archive.Length - chunks, ArchiveFormat.SealedChunkLength);
        if (rest < ArchiveFormat.TagLength)
        {
            throw ArchiveException.Truncated("its payload");
        }

        byte[] sealedChunk = new byte[rest];
        byte[] plaintext = new byte[rest - ArchiveFormat.TagLength];
        archive.Position = chunks + (full * ArchiveFormat.SealedChunkLength);
        archive.ReadExactly(sealedChunk);
        try
        {
            using var cipher = new ChunkCipher(keys);
            return cipher.Open((ulong)full, sealedChunk, plaintext)
                ? (full * ArchiveFormat.ChunkLength) + plaintext.Length
                : throw ArchiveException.VerificationFailed();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
        }
    }
}
