using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Protocol.V1;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Sessions;

/// <summary>What became of a code.</summary>
internal enum CodeVerdict
{
    Right,

    /// <summary>Wrong, used before, or there is nothing to hold it against.</summary>
    Wrong,

    /// <summary>Wrong for the third time in a row: this one locked the person.</summary>
    Locks,

    /// <summary>The person was locked before; the code was not looked at.</summary>
    Locked,
}

/// <summary>
/// Changes of second factors. All run inside a change of the store, which run one after another over all servers: a code is taken once, and guesses
/// made at the same time are counted one by one.
/// </summary>
internal sealed class SecondFactors(RowAuthenticator rows, SeedVault vault)
{
    // One step each way: RFC 6238 section 5.2.
    private const int Window = 1;

    private readonly SecondFactorTable _table = new(rows);
    private readonly SessionTable _sessions = new(rows);

    /// <summary>Offers a seed in the place of one that was offered and never used.</summary>
    /// <param name="seed">20 random bytes.</param>
    /// <exception cref="Refusal">ALREADY_EXISTS: an active one; SECOND_FACTOR_LOCKED.</exception>
    public async Task<SecondFactor> OfferAsync(IStoreTransaction transaction, string principal, ReadOnlyMemory<byte> seed)
    {
        var before = await _table.FindAsync(transaction.Connection, transaction.Transaction, principal, CancellationToken.None);
        if (before is { State: SecondFactorState.Active })
        {
            throw Refusal.AlreadyExists($"An active second factor of '{principal}'");
        }

        if (before is { IsLocked: true })
        {
            throw SessionRefusals.Locked();
        }

        var after = new SecondFactor
        {
            Principal = principal,
            Seed = await vault.SealAsync(seed, principal, transaction.Time),
            State = SecondFactorState.Offered,
            OfferTime = transaction.Time,
            ActivateTime = null,
            LastStep = -1,
            // Another seed is no way around the count.
            Failures = before?.Failures ?? 0,
            LockTime = null,
            ResetAskedBy = null,
            ResetAskTime = null,
            Revision = (before?.Revision ?? 0) + 1,
        };
        await _table.WriteAsync(transaction, after);
        return after;
    }

    /// <summary>Holds a code against the seed and writes what follows: the step that is used up, or the failure, and the lock with the third.</summary>
    /// <param name="wanted">The state in which it counts: offered when it activates, active otherwise.</param>
    public async Task<CodeVerdict> CheckAsync(IStoreTransaction transaction, string principal, SecondFactorState wanted, int code)
    {
        var before = await _table.FindAsync(transaction.Connection, transaction.Transaction, principal, CancellationToken.None);
        if (before is { IsLocked: true })
        {
            return CodeVerdict.Locked;
        }

        if (before is null || before.State != wanted)
        {
            return CodeVerdict.Wrong;
        }

        if (await StepOfAsync(before, code, transaction.Time) is { } step)
        {
            await _table.WriteAsync(transaction, before with
            {
                State = SecondFactorState.Active,
                ActivateTime = before.ActivateTime ?? transaction.Time,
                LastStep = step,
                Failures = 0,
                Revision = before.Revision + 1,
            });
            return CodeVerdict.Right;
        }

        var failures = before.Failures + 1;
        var locks = failures >= SessionLimits.Failures;
        await _table.WriteAsync(transaction, before with
        {
            Failures = failures,
            LockTime = locks ? transaction.Time : null,
            Revision = before.Revision + 1,
        });
        if (locks)
        {
            await _sessions.EndAllAsync(transaction, principal, SessionEnd.Locked, by: null);
        }

        return locks ? CodeVerdict.Locks : CodeVerdict.Wrong;
    }

    /// <summary>Unlocking one that is not locked changes nothing and answers it.</summary>
    /// <exception cref="Refusal">NOT_FOUND; ACCESS_DENIED: one's own.</exception>
    public async Task<SecondFactor> UnlockAsync(IStoreTransaction transaction, string principal, string by)
    {
        var before = await OfAnotherAsync(transaction, principal, by);
        if (!before.IsLocked)
        {
            return before;
        }

        var after = before with { Failures = 0, LockTime = null, Revision = before.Revision + 1 };
        await _table.WriteAsync(transaction, after);
        return after;
    }

    /// <summary>The first officer's call asks, the second officer's does it. The first one's again changes nothing.</summary>
    /// <exception cref="Refusal">NOT_FOUND; ACCESS_DENIED: one's own.</exception>
    public async Task<SecondFactor> ResetAsync(IStoreTransaction transaction, string principal, string by)
    {
        var before = await OfAnotherAsync(transaction, principal, by);
        if (before.State == SecondFactorState.Removed)
        {
            return before;
        }

        SecondFactor after;
        if (!before.IsResetAsked(transaction.Time))
        {
            after = before with { ResetAskedBy = by, ResetAskTime = transaction.Time, Revision = before.Revision + 1 };
        }
        else if (before.ResetAskedBy == by)
        {
            return before;
        }
        else
        {
            after = before with
            {
                Seed = [], State = SecondFactorState.Removed, ActivateTime = null, Failures = 0, LockTime = null, Revision = before.Revision + 1,
            };
            await _sessions.EndAllAsync(transaction, principal, SessionEnd.FactorRemoved, by);
        }

        await _table.WriteAsync(transaction, after);
        return after;
    }

    private async Task<SecondFactor> OfAnotherAsync(IStoreTransaction transaction, string principal, string by)
    {
        if (principal == by)
        {
            throw SessionRefusals.Oneself();
        }

        return await _table.FindAsync(transaction.Connection, transaction.Transaction, principal, CancellationToken.None)
            ?? throw Refusal.NotFound($"A second factor of '{principal}'");
    }

    // The step that the code is of, when it is none that was used: all of the window is computed, whichever fits.
    private async Task<long?> StepOfAsync(SecondFactor factor, int code, DateTimeOffset now)
    {
        using var seed = await vault.OpenAsync(factor.Seed, factor.Principal, factor.OfferTime);
        long? found = null;
        var current = OneTimePassword.StepOf(now);
        for (var step = Math.Max(0, current - Window); step <= current + Window; step++)
        {
            if (OneTimePassword.CodeAt(seed.DangerousSpan, step) == code && step > factor.LastStep)
            {
                found ??= step;
            }
        }

        return found;
    }
}
