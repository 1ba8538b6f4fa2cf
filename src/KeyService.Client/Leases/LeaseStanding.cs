using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>What the service last said of the data keys that one key version wrapped with one context. Shared by all that hold such keys.</summary>
internal sealed class LeaseStanding(string keyVersion, EncryptionContext context)
{
    private long heardAt = long.MinValue;
    private volatile bool mayEncrypt;
    private volatile bool mayDecrypt;

    public string KeyVersion { get; } = keyVersion;

    public EncryptionContext Context { get; } = context;

    /// <summary>Timestamp for which the service spoke; <see cref="long.MinValue"/> before it ever did.</summary>
    public long HeardAt => Volatile.Read(ref heardAt);

    public bool MayEncrypt => mayEncrypt;

    public bool MayDecrypt => mayDecrypt;

    /// <summary>Held keys with this standing; guarded by the watch's lock.</summary>
    public int Holders { get; set; }

    /// <summary>Raised with every answer of the service.</summary>
    public event Action<LeaseStanding>? Heard;

    public void Hear(bool encrypt, bool decrypt, long at)
    {
        mayEncrypt = encrypt;
        mayDecrypt = decrypt;
        Volatile.Write(ref heardAt, at);
        Heard?.Invoke(this);
    }

    /// <summary>What was heard counts no more: time passed that this process did not see.</summary>
    public void Forget()
    {
        Volatile.Write(ref heardAt, long.MinValue);
        Heard?.Invoke(this);
    }
}
