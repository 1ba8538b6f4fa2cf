using System.Buffers.Binary;
using System.Security.Cryptography;
using KeyService.Crypto;

namespace KeyService.Client;

/// <summary>
/// The data keys of one <see cref="FieldEncryption"/>: one to encrypt with, replaced ahead of its limits, and those that were unwrapped to
/// decrypt. Of each thing that takes a call to the service at most one is under way at a time. Thread-safe.
/// </summary>
internal sealed class FieldKeys : IAsyncDisposable
{
    private static readonly TimeSpan RefusalLasts = TimeSpan.FromSeconds(1);

    private readonly KeyServiceClient client;
    private readonly FieldEncryptionOptions options;
    private readonly LeaseKeeper keeper;
    private readonly LeaseTimes times;
    private readonly long cachedKeyAge;
    private readonly Lock gate = new();
    private volatile FieldKey? current;
    private Task<FieldKey>? making;
    private (KeyServiceException Fault, long At)? refused;

    public FieldKeys(KeyServiceClient client, FieldEncryptionOptions options)
    {
        this.client = client;
        this.options = options;
        keeper = new LeaseKeeper(client, options.Lease) { Ticked = Age };
        times = keeper.Times;
        cachedKeyAge = LeaseTimes.Ticks(options.CachedKeyAge, client.TimeProvider);
    }

    public LeaseKeeper Keeper => keeper;

    /// <summary>The key that encrypts, begun for one field; null when something has to be waited for.</summary>
    public FieldKey? TryBeginEncrypt(int bytes) => current is { } key && key.TryBeginEncrypt(times.Now, bytes) ? key : null;

    /// <summary>As above, for a key by its id, to decrypt.</summary>
    public FieldKey? TryBeginDecrypt(UInt128 id, int bytes) =>
        (FieldKey?)keeper.TryBeginDecrypt(id, bytes);

    /// <summary>A key begun to encrypt a field, after waiting for what is needed.</summary>
    /// <exception cref="KeyServiceException">The service refused, or is away.</exception>
    public async ValueTask<FieldKey> BeginEncryptAsync(int bytes, CancellationToken cancellation)
    {
        while (true)
        {
            ObjectDisposedException.ThrowIf(keeper.IsDisposed, typeof(FieldEncryption));
            cancellation.ThrowIfCancellationRequested();
            if (TryBeginEncrypt(bytes) is { } ready)
            {
                return ready;
            }
            if (current is not { IsClosed: false, IsSpent: false } key)
            {
                await MakeAsync().WaitAsync(cancellation).ConfigureAwait(false);
                continue;
            }
            if (keeper.IsAway && key.TryBeginInGrace(encrypt: true, times.Now, bytes))
            {
                return key;
            }
            await keeper.RenewAsync(key, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>The key with this id, begun to decrypt a field, after waiting for what is needed.</summary>
    /// <exception cref="KeyServiceException">WRAPPED_KEY_MISSING; the service refused, or is away.</exception>
    public async ValueTask<FieldKey> BeginDecryptAsync(UInt128 id, int bytes, CancellationToken cancellation) =>
        (FieldKey)await keeper.BeginDecryptAsync(id, bytes, UnwrapAsync, cancellation).ConfigureAwait(false);

    public ValueTask DisposeAsync() => keeper.DisposeAsync();

    // One data key for all who wait; whoever stops waiting stops nobody else.
    private Task<FieldKey> MakeAsync()
    {
        lock (gate)
        {
            if (refused is { } before && times.Time.GetElapsedTime(before.At) < RefusalLasts)
            {
                return Task.FromException<FieldKey>(LeaseFaults.Again(before.Fault));
            }
            return making ??= Task.Run(async () =>
            {
                try
                {
                    return await MakeOneAsync().ConfigureAwait(false);
                }
                catch (KeyServiceException e)
                {
                    // Many threads would otherwise ask, and be recorded, thousands of times a second.
                    refused = (e, times.Now);
                    throw;
                }
                finally
                {
                    lock (gate)
                    {
                        making = null;
                    }
                }
            });
        }
    }

    private async Task<FieldKey> MakeOneAsync()
    {
        var idBytes = RandomNumberGenerator.GetBytes(FieldToken.DataKeyIdLength);
        var asked = times.Now;
        using var made = await client.DataKeys.GenerateAsync(options.Key, DataKeyScope.Field(idBytes, options.Context)).ConfigureAwait(false);

        // First into the caller's database: a token under a data key that is nowhere would be lost for ever.
        var row = new WrappedKeyRow(idBytes, WrappedKeyUse.Field, options.Key, options.Context, made.Wrapped);
        await options.Table.InsertAsync(row, times.Time.GetUtcNow(), CancellationToken.None).ConfigureAwait(false);
        var id = BinaryPrimitives.ReadUInt128BigEndian(idBytes);
        return Take(id, made.Secret, made.KeyVersion, asked);
    }

    /// <summary>Encrypts with this data key from now on.</summary>
    internal FieldKey Take(UInt128 id, SecretBuffer secret, string keyVersion, long obtainedAt)
    {
        var key = keeper.Hold(
            keyVersion, options.Context, standing => new FieldKey(id, secret, standing, times, generated: true, obtainedAt));
        var before = current;
        current = key;
        before?.Retire();
        return key;
    }

    private async Task UnwrapAsync(UInt128 id)
    {
        var idBytes = new byte[FieldToken.DataKeyIdLength];
        BinaryPrimitives.WriteUInt128BigEndian(idBytes, id);
        var row = await options.Table.FindAsync(idBytes).ConfigureAwait(false) ?? throw new KeyServiceException(
            ClientReason.WrappedKeyMissing,
            $"The table {options.Table.Name} has no row for data key {Convert.ToHexStringLower(idBytes)}, and the field cannot be read without it.",
            "Restore that row from a backup of the table, or check that this is the database in which the field was written.");
        var asked = times.Now;

        // The row's own words about use and context are not trusted: what the caller configured must open it.
        using var opened = await client.DataKeys.UnwrapAsync(row.Wrapped, DataKeyScope.Field(idBytes, options.Context)).ConfigureAwait(false);
        if (keeper.Find(id) is FieldKey here)
        {
            here.Unwrapped(asked);
            return;
        }
        MakeRoom();
        keeper.Hold(
            opened.KeyVersion, options.Context, standing => new FieldKey(id, opened.Secret, standing, times, generated: false, asked));
    }

    private void MakeRoom()
    {
        while (keeper.Count >= options.CachedKeys + 1)
        {
            var oldest = keeper.Keys.Where(key => key != current && !key.IsClosed).MinBy(key => key.UsedAt);
            if (oldest is null)
            {
                return;
            }
            keeper.Remove(oldest);
        }
    }

    // Makes the next key before the last one's limits, and drops what was kept for decryption for long enough.
    private void Age()
    {
        var now = times.Now;
        foreach (var key in keeper.Keys)
        {
            if (key != current && now - key.MadeAt > cachedKeyAge)
            {
                key.Close();
            }
        }
        if (current is { IsClosed: false } encrypting
            && (encrypting.IsSpent || encrypting.IsNearlySpent || now - encrypting.MadeAt > times.KeyLifetime) && !keeper.IsAway)
        {
            // Nobody waits for it here; who has to, sees its failure.
            _ = MakeAsync().ContinueWith(static task => task.Exception, TaskScheduler.Default);
        }
    }
}
