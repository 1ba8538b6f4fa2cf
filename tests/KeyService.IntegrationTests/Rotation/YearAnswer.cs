using Google.Protobuf;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>What a caller was told.</summary>
/// <param name="Key">Number of the key.</param>
/// <param name="Least">The clock when it asked.</param>
/// <param name="Most">The clock when it had the answer.</param>
internal abstract record YearAnswer(int Key, DateTimeOffset Least, DateTimeOffset Most);

/// <summary>The key is past its limit.</summary>
internal sealed record YearRefusal(int Key, DateTimeOffset Least, DateTimeOffset Most) : YearAnswer(Key, Least, Most);

/// <summary>Something was protected under a version.</summary>
internal abstract record YearProtection(int Key, DateTimeOffset Least, DateTimeOffset Most, string Version) : YearAnswer(Key, Least, Most);

/// <param name="Digest">SHA-256 of the data key.</param>
internal sealed record YearDataKey(int Key, DateTimeOffset Least, DateTimeOffset Most, string Version, ByteString Wrapped, byte[] Digest)
    : YearProtection(Key, Least, Most, Version);

internal sealed record YearField(int Key, DateTimeOffset Least, DateTimeOffset Most, string Version, ByteString Ciphertext, string Plaintext)
    : YearProtection(Key, Least, Most, Version);
