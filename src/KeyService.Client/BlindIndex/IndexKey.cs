using System.Collections.Concurrent;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>The key of a blind index, and the keys of its columns as they are needed.</summary>
internal sealed class IndexKey : HeldKey
{
    private readonly SecretBuffer secret;
    private readonly ConcurrentDictionary<BlindIndexColumn, Lazy<SecretBuffer>> columns = new();

    /// <param name="secret">32 bytes; copied.</param>
    public IndexKey(UInt128 id, SecretBuffer secret, LeaseStanding standing, LeaseTimes times, long obtainedAt)
        : base(id, standing, times, generated: false, obtainedAt) => this.secret = SecretBuffer.CopyOf(secret.DangerousSpan);

    /// <summary>Between Begin and End only.</summary>
    public void Compute(BlindIndexColumn column, ReadOnlySpan<byte> value, Span<byte> index)
    {
        var key = columns.GetOrAdd(column, static (column, secret) => new Lazy<SecretBuffer>(() => Derive(column, secret)), secret);
        BlindIndexFormat.Compute(key.Value.DangerousSpan, value, index);
    }

    protected override void Zero()
    {
        secret.Dispose();
        foreach (var column in columns.Values)
        {
            column.Value.Dispose();
        }
    }

    private static SecretBuffer Derive(BlindIndexColumn column, SecretBuffer secret)
    {
        var key = new SecretBuffer(BlindIndexFormat.KeyLength);
        BlindIndexFormat.DeriveColumnKey(secret.DangerousSpan, column.Column.Context, column.Length, key.DangerousSpan);
        return key;
    }
}
