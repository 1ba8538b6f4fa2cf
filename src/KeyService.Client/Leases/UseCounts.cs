namespace KeyService.Client;

/// <summary>What was done with a data key: fields and bytes of plaintext, and what of it under grace (timestamp ticks).</summary>
internal readonly record struct UseCounts(
    long EncryptedMessages, long EncryptedBytes, long DecryptedMessages, long DecryptedBytes, long GraceMessages, long GraceTicks)
{
    public static UseCounts operator +(UseCounts left, UseCounts right) => new(
        left.EncryptedMessages + right.EncryptedMessages, left.EncryptedBytes + right.EncryptedBytes,
        left.DecryptedMessages + right.DecryptedMessages, left.DecryptedBytes + right.DecryptedBytes,
        left.GraceMessages + right.GraceMessages, left.GraceTicks + right.GraceTicks);

    public static UseCounts operator -(UseCounts left, UseCounts right) => new(
        left.EncryptedMessages - right.EncryptedMessages, left.EncryptedBytes - right.EncryptedBytes,
        left.DecryptedMessages - right.DecryptedMessages, left.DecryptedBytes - right.DecryptedBytes,
        left.GraceMessages - right.GraceMessages, left.GraceTicks - right.GraceTicks);
}
