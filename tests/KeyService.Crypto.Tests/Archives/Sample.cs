using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.Tests.Archives;

/// <summary>Archives that tests start from; the same data key, context and name for all.</summary>
internal static class Sample
{
    public const int HeaderLength = 12288;
    public const int ChunksAt = HeaderLength + ArchiveFormat.PayloadPrefixLength;

    public static EncryptionContext Context { get; } = EncryptionContext.Create([new("database", "ehr"), new("host", "db-1")]);

    public static SecretBuffer DataKey(byte first = 0)
    {
        var key = new SecretBuffer(32);
        for (int i = 0; i < 32; i++)
        {
            key.DangerousSpan[i] = (byte)i;
        }

        key.DangerousSpan[0] = first;
        return key;
    }

    /// <summary>69 bytes that have the shape of a wrapped data key; who wrapped it differs by the seed.</summary>
    public static byte[] Wrapped(byte seed)
    {
        byte[] wrapped = new byte[WrappedDataKey.Length];
        wrapped.AsSpan().Fill(seed);
        wrapped[0] = WrappedDataKey.Format;
        return wrapped;
    }

    /// <summary>Byte i is i mod 251, as in tests/vectors/archive.json.</summary>
    public static byte[] Plaintext(int length)
    {
        byte[] plaintext = new byte[length];
        for (int i = 0; i < length; i++)
        {
            plaintext[i] = (byte)(i % 251);
        }

        return plaintext;
    }

    public static ArchiveHeader Header(byte seed = 1) =>
        ArchiveHeader.Create(new byte[ArchiveFormat.ArchiveIdLength], Context, "dump.sql", Wrapped(seed));

    public static byte[] Archive(int length) => MakePaths.Push(Header(), Plaintext(length), length + 1);
}
