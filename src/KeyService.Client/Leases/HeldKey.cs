namespace KeyService.Client;

/// <summary>
/// A data key in this process: usable until a moment that the service's answers move ahead, within the bounds of the policy. Closing it
/// refuses whoever comes later at once; it is zeroed when the last one who came before has left. Thread-safe.
/// </summary>
/// <remarks>
/// One word holds a closed flag (the sign), the number of messages encrypted (43 bits) and the number of users (20 bits): to come in is one
/// addition, and what it returns decides. Users are threads inside one short call, never more than a million.
/// </remarks>
internal abstract class HeldKey : IDisposable
{
    /// <summary>Value of an "until" that never comes: not allowed.</summary>
    public const long Never = long.MinValue;

    private const int UserBits = 20;
    private const long OneMessage = 1L << UserBits;
    private const long Users = OneMessage - 1;
    private const long Closed = long.MinValue;

    private readonly LeaseTimes times;
    private readonly LeaseStanding standing;
    private readonly long maxMessages;
    private readonly long maxBytes;
    private readonly bool generated;
    private readonly Lock refreshing = new();
    private long state;
    private long encryptUntil = Never;
    private long decryptUntil = Never;
    private long encryptedBytes;
    private long decryptedMessages;
    private long decryptedBytes;
    private long graceMessages;
    private long graceSince = Never;
    private long graceTicks;
    private long obtainedAt;
    private long usedAt;
    private volatile bool unwrapped;
    private volatile bool spent;
    private int zeroed;
    private UseCounts reported;

    /// <param name="id">16 bytes.</param>
    /// <param name="standing">What the service says of the version and context that wrapped it.</param>
    /// <param name="times">The policy in timestamps.</param>
    /// <param name="generated">Made for this process, which may encrypt under it; otherwise unwrapped.</param>
    /// <param name="obtainedAt">Timestamp from before the service was asked.</param>
    protected HeldKey(UInt128 id, LeaseStanding standing, LeaseTimes times, bool generated, long obtainedAt)
    {
        Id = id;
        this.standing = standing;
        this.times = times;
        maxMessages = times.Policy.MaxMessages;
        maxBytes = times.Policy.MaxBytes;
        this.generated = generated;
        this.obtainedAt = obtainedAt;
        MadeAt = obtainedAt;
        usedAt = obtainedAt;
        unwrapped = !generated;
        Refresh();
    }

    public UInt128 Id { get; }

    public LeaseStanding Standing => standing;

    /// <summary>Timestamp of when it came.</summary>
    public long MadeAt { get; }

    /// <summary>Timestamp of the last use that took note of it.</summary>
    public long UsedAt => Volatile.Read(ref usedAt);

    public bool IsClosed => Volatile.Read(ref state) < 0;

    /// <summary>True once no byte of the key is here any more.</summary>
    public bool IsZeroed => Volatile.Read(ref zeroed) != 0;

    /// <summary>It may not encrypt now, whatever time it is: not made here, rotated out, at a limit, or refused by the service.</summary>
    public bool IsSpent => spent || Volatile.Read(ref encryptUntil) == Never;

    /// <summary>It may decrypt, or may again once the service is heard.</summary>
    public bool MayDecryptLater => Volatile.Read(ref decryptUntil) != Never;

    /// <summary>Nine tenths of what it may encrypt are used.</summary>
    public bool IsNearlySpent => (Volatile.Read(ref state) & long.MaxValue) >> UserBits >= maxMessages / 10 * 9 && maxMessages >= 10
        || Volatile.Read(ref encryptedBytes) >= maxBytes / 10 * 9;

    /// <summary>Last moment at which it may be used without grace; <see cref="Never"/> when for nothing.</summary>
    public long Until => Math.Max(Volatile.Read(ref encryptUntil), Volatile.Read(ref decryptUntil));

    /// <summary>Comes in to encrypt; true means that <see cref="End"/> must follow.</summary>
    public bool TryBeginEncrypt(long now, int bytes) => now <= Volatile.Read(ref encryptUntil) && TryEnterEncrypt(bytes);

    /// <summary>Comes in to decrypt; true means that <see cref="End"/> must follow.</summary>
    public bool TryBeginDecrypt(long now, int bytes) => now <= Volatile.Read(ref decryptUntil) && TryEnterDecrypt(now, bytes);

    /// <summary>Comes in although the lease ended, because the service is away and the policy has a grace.</summary>
    public bool TryBeginInGrace(bool encrypt, long now, int bytes)
    {
        var until = encrypt ? Volatile.Read(ref encryptUntil) : Volatile.Read(ref decryptUntil);
        if (until == Never || now > until + times.Grace || !(encrypt ? TryEnterEncrypt(bytes) : TryEnterDecrypt(now, bytes)))
        {
            return false;
        }
        if (now > until)
        {
            Interlocked.CompareExchange(ref graceSince, until, Never);
            Interlocked.Increment(ref graceMessages);
            LeaseMetrics.GraceMessages.Add(1);
        }
        return true;
    }

    /// <summary>Leaves.</summary>
    public void End()
    {
        var after = Interlocked.Decrement(ref state);
        if (after < 0 && (after & Users) == 0)
        {
            ZeroOnce();
        }
    }

    /// <summary>The service unwrapped it for this process just now.</summary>
    public void Unwrapped(long at)
    {
        unwrapped = true;
        Volatile.Write(ref obtainedAt, at);
        Refresh();
    }

    /// <summary>Its time is over, its grace too, until the service confirms it anew: time passed that this process did not see.</summary>
    public void Expire()
    {
        Volatile.Write(ref obtainedAt, times.Now - times.MaxAge - times.Grace - 1);
        Refresh();
    }

    /// <summary>Encrypts nothing more, and goes on decrypting if it may.</summary>
    public void Retire()
    {
        spent = true;
        Refresh();
    }

    /// <summary>Takes over what the service said last, and closes a key that may do nothing any more.</summary>
    public void Refresh()
    {
        lock (refreshing)
        {
            RefreshInTurn();
        }
    }

    private void RefreshInTurn()
    {
        var heard = standing.HeardAt;
        var obtained = Volatile.Read(ref obtainedAt);
        var newer = heard >= obtained;
        var mayEncrypt = generated && !spent && (!newer || standing.MayEncrypt);
        var mayDecrypt = newer ? standing.MayDecrypt : unwrapped;
        var until = Math.Max(heard, obtained) + times.MaxAge;
        Volatile.Write(ref encryptUntil, mayEncrypt ? until : Never);
        Volatile.Write(ref decryptUntil, mayDecrypt ? until : Never);
        if (times.Now <= until)
        {
            EndGrace(times.Now);
        }
        if (!mayEncrypt && !mayDecrypt)
        {
            Close();
        }
    }

    /// <summary>Lets nobody in any more. Zeroes the key now, or when the last user leaves.</summary>
    public void Close()
    {
        EndGrace(times.Now);
        if ((Interlocked.Or(ref state, Closed) & Users) == 0)
        {
            ZeroOnce();
        }
    }

    /// <summary><see cref="Close"/>.</summary>
    public void Dispose()
    {
        Close();
        GC.SuppressFinalize(this);
    }

    /// <summary>What was done since this was asked last.</summary>
    public UseCounts TakeUse()
    {
        lock (refreshing)
        {
            var now = new UseCounts(
                (Volatile.Read(ref state) & long.MaxValue) >> UserBits, Volatile.Read(ref encryptedBytes), Volatile.Read(ref decryptedMessages),
                Volatile.Read(ref decryptedBytes), Volatile.Read(ref graceMessages), Volatile.Read(ref graceTicks));
            var since = now - reported;
            reported = now;
            return since;
        }
    }

    /// <summary>Zeroes and frees; called once, when nobody is inside.</summary>
    protected abstract void Zero();

    private bool TryEnterEncrypt(int bytes)
    {
        var after = Interlocked.Add(ref state, OneMessage + 1);
        if (after < 0 || after >> UserBits > maxMessages || Interlocked.Add(ref encryptedBytes, bytes) > maxBytes)
        {
            return Undo(after, bytes);
        }
        return true;
    }

    private bool Undo(long after, int bytes)
    {
        if (after >= 0)
        {
            if (after >> UserBits <= maxMessages)
            {
                Interlocked.Add(ref encryptedBytes, -bytes);
            }
            spent = true;
            Volatile.Write(ref encryptUntil, Never);
        }
        after = Interlocked.Add(ref state, -(OneMessage + 1));
        if (after < 0 && (after & Users) == 0)
        {
            ZeroOnce();
        }
        return false;
    }

    private bool TryEnterDecrypt(long now, int bytes)
    {
        if (Interlocked.Increment(ref state) < 0)
        {
            End();
            return false;
        }
        Interlocked.Increment(ref decryptedMessages);
        Interlocked.Add(ref decryptedBytes, bytes);
        Volatile.Write(ref usedAt, now);
        return true;
    }

    private void EndGrace(long now)
    {
        var since = Interlocked.Exchange(ref graceSince, Never);
        if (since != Never)
        {
            Interlocked.Add(ref graceTicks, now - since);
            LeaseMetrics.GraceSeconds.Add((double)(now - since) / times.Frequency);
        }
    }

    private void ZeroOnce()
    {
        if (Interlocked.Exchange(ref zeroed, 1) == 0)
        {
            Zero();
            LeaseMetrics.LeasesEnded.Add(1);
        }
    }
}
