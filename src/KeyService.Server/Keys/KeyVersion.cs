using KeyService.Crypto;

namespace KeyService.Server.Keys;

/// <summary>A key version in use by this server: its verified row, its budget of wraps, and its cipher once it was needed.</summary>
internal sealed class KeyVersion : IDisposable
{
    private readonly Func<KeyVersionId, CancellationToken, Task<FieldCipher>> _openCipher;
    private readonly SemaphoreSlim _opening = new(1);
    private volatile FieldCipher? _cipher;
    private volatile KeyVersionRow _row;
    private volatile bool _stale;
    private long _lastUse;

    public KeyVersion(KeyVersionRow row, WrapBudget wraps, Func<KeyVersionId, CancellationToken, Task<FieldCipher>> openCipher)
    {
        _row = row;
        Wraps = wraps;
        _openCipher = openCipher;
        IdText = row.Id.ToString();
    }

    public KeyVersionId Id => _row.Id;

    /// <summary>16 hexadecimal digits.</summary>
    public string IdText { get; }

    public string KeyName => _row.KeyName;

    /// <summary>The row as last committed or read.</summary>
    public KeyVersionRow Row => _row;

    /// <summary>True when the row may have been changed by another server and has to be read again before it is used.</summary>
    public bool IsStale => _stale;

    /// <summary>Milliseconds of the ring's clock at the last use, for eviction.</summary>
    public long LastUse => Volatile.Read(ref _lastUse);

    /// <summary>Takes a newer row over; an older one is left aside.</summary>
    public void TakeOver(KeyVersionRow row)
    {
        lock (_opening)
        {
            if (row.Revision >= _row.Revision)
            {
                _row = row;
                _stale = false;
            }
        }
    }

    public void MarkStale()
    {
        lock (_opening)
        {
            _stale = true;
        }
    }

    public void Touch(long milliseconds)
    {
        // Written once a second at most: a cache line that every call writes would be fought over.
        if (milliseconds - Volatile.Read(ref _lastUse) > 1000)
        {
            Volatile.Write(ref _lastUse, milliseconds);
        }
    }

    public WrapBudget Wraps { get; }

    /// <summary>The cipher over the version's bulk key, unwrapped by the HSM on first use.</summary>
    public ValueTask<FieldCipher> CipherAsync(CancellationToken cancellationToken) =>
        _cipher is { } cipher ? new ValueTask<FieldCipher>(cipher) : OpenAsync(cancellationToken);

    public void Dispose()
    {
        _cipher?.Dispose();
        _opening.Dispose();
        Wraps.Dispose();
    }

    private async ValueTask<FieldCipher> OpenAsync(CancellationToken cancellationToken)
    {
        // A failure is not kept: the next call tries again, when the HSM is back, say.
        await _opening.WaitAsync(cancellationToken);
        try
        {
            return _cipher ??= await _openCipher(Id, cancellationToken);
        }
        finally
        {
            _opening.Release();
        }
    }
}
