namespace KeyService.Client;

/// <summary>What a caller may do with data keys that it holds.</summary>
/// <param name="MayEncrypt">False: encrypt nothing more under them.</param>
/// <param name="MayDecrypt">False with <paramref name="MayEncrypt"/>: zero them.</param>
public readonly record struct LeaseVerdict(bool MayEncrypt, bool MayDecrypt);

/// <summary>One answer of a watch of leases.</summary>
/// <param name="Standings">One for each lease, in the order of the request.</param>
/// <param name="Elapsed">From the arrival of the request to the moment for which the answer speaks.</param>
public sealed record LeaseAnswer(IReadOnlyList<LeaseVerdict> Standings, TimeSpan Elapsed);

/// <summary>What was done with one data key since the report before.</summary>
/// <param name="DataKeyId">16 bytes.</param>
/// <param name="EncryptedMessages">Fields encrypted.</param>
/// <param name="EncryptedBytes">Their bytes in the clear.</param>
/// <param name="DecryptedMessages">Fields decrypted, or blind indexes computed.</param>
/// <param name="DecryptedBytes">Their bytes in the clear.</param>
/// <param name="GraceMessages">How many of them while the lease had ended and the service was away.</param>
/// <param name="GraceTime">For how long that went on.</param>
public sealed record DataKeyUsageReport(
    ReadOnlyMemory<byte> DataKeyId, long EncryptedMessages, long EncryptedBytes, long DecryptedMessages, long DecryptedBytes,
    long GraceMessages, TimeSpan GraceTime);
