using KeyService.Crypto;

namespace KeyService.Server.Keys;

/// <summary>A key version in use by this server: its verified row, its budget of wraps, and its cipher once it was needed.</summary>
internal sealed class KeyVersion : IDisposable
{
    private readonly Func<KeyVersionId, CancellationToken, Task<FieldCipher>> _openCipher;
    private readonly SemaphoreSlim _opening = new(1);
    private volatile FieldCipher? _cipher;
    private volatile KeyVersionRow _row;

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
    public KeyVersionRow Row
    {
        get => _row;
        set => _row = value;
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
