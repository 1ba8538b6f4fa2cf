using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Server.Sessions;

/// <summary>SQL of second factors. Every row is verified when read and MACed when written; docs/spec/store.md has the canonical bytes.</summary>
internal sealed class SecondFactorTable(RowAuthenticator rows)
{
    public const string Name = "second_factors";

    private const string Columns =
        """
        SELECT principal AS Principal, seed AS Seed, state AS State, offered_at AS OfferedAt, activated_at AS ActivatedAt, last_step AS LastStep,
               failures AS Failures, locked_at AS LockedAt, reset_asked_by AS ResetAskedBy, reset_asked_at AS ResetAskedAt, revision AS Revision, mac AS Mac
        FROM second_factors
        """;

    /// <summary>How the scrub reads the table.</summary>
    internal static readonly IReadOnlyList<DecidingTable> Deciding =
        [DecidingTable.Of<Raw>(Name, Columns, "principal", "@Principal", raw => new DecidingRow(raw.Principal, raw.Revision, raw.Canonical()))];

    private readonly RegisterState _state = new(rows);

    /// <summary>
    /// A person's second factor; null when there is none, which is only believed of a table that no row was taken from: without one a person may
    /// enrol.
    /// </summary>
    /// <exception cref="StoreTamperedException">The row was changed, or rows are missing.</exception>
    public async Task<SecondFactor?> FindAsync(DbConnection connection, DbTransaction? transaction, string principal, CancellationToken cancellationToken)
    {
        var raw = await connection.QuerySingleOrDefaultAsync<Raw>($"{Columns} WHERE principal = @principal", new { principal }, transaction);
        if (raw is not null)
        {
            return await VerifiedAsync(raw, cancellationToken);
        }

        var sum = await connection.QuerySingleAsync<Sum>(
            "SELECT COUNT(*) AS Count, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS Changes FROM second_factors", null, transaction);
        await _state.VerifyAsync(connection, Name, sum.Count, sum.Changes, cancellationToken);
        return null;
    }

    /// <summary>All of them, by name of the person.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task<IReadOnlyList<SecondFactor>> ListAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        var all = new List<SecondFactor>();
        foreach (var raw in await connection.QueryAsync<Raw>($"{Columns} ORDER BY principal"))
        {
            all.Add(await VerifiedAsync(raw, cancellationToken));
        }

        await _state.VerifyAsync(connection, Name, all.Count, all.Sum(each => each.Revision), cancellationToken);
        return all;
    }

    /// <summary>Writes a state: revision 1 is a new row, any other one higher than the row's.</summary>
    public async Task WriteAsync(IStoreTransaction transaction, SecondFactor factor)
    {
        var raw = Raw.Of(factor);
        raw = raw with { Mac = await rows.SealAsync(transaction, raw.Canonical(), Name, raw.Principal, raw.Revision) };
        var written = await transaction.Connection.ExecuteAsync(
            factor.Revision == 1
                ? """
                  INSERT INTO second_factors (principal, seed, state, offered_at, activated_at, last_step, failures, locked_at, reset_asked_by, reset_asked_at,
                                              revision, mac)
                  VALUES (@Principal, @Seed, @State, @OfferedAt, @ActivatedAt, @LastStep, @Failures, @LockedAt, @ResetAskedBy, @ResetAskedAt, @Revision, @Mac)
                  """
                : """
                  UPDATE second_factors SET seed = @Seed, state = @State, offered_at = @OfferedAt, activated_at = @ActivatedAt, last_step = @LastStep,
                      failures = @Failures, locked_at = @LockedAt, reset_asked_by = @ResetAskedBy, reset_asked_at = @ResetAskedAt, revision = @Revision, mac = @Mac
                  WHERE principal = @Principal AND revision = @Revision - 1
                  """,
            raw, transaction.Transaction);
        if (written != 1)
        {
            throw new StoreTamperedException(Name, raw.Principal, "the row is not at the revision that the service wrote");
        }

        await (factor.Revision == 1 ? _state.AddedAsync(transaction, Name) : _state.ChangedAsync(transaction, Name));
    }

    private async Task<SecondFactor> VerifiedAsync(Raw raw, CancellationToken cancellationToken)
    {
        await rows.VerifyAsync(raw.Canonical(), raw.Mac, Name, raw.Principal, raw.Revision, cancellationToken);
        return raw.ToFactor();
    }

    private sealed record Sum(long Count, long Changes);

    private sealed record Raw(
        string Principal, byte[] Seed, long State, long OfferedAt, long? ActivatedAt, long LastStep, long Failures, long? LockedAt, string? ResetAskedBy,
        long? ResetAskedAt, long Revision, byte[] Mac)
    {
        public static Raw Of(SecondFactor factor) => new(
            factor.Principal, factor.Seed, (long)factor.State, UnixTime.Nanoseconds(factor.OfferTime), UnixTime.Nanoseconds(factor.ActivateTime), factor.LastStep,
            factor.Failures, UnixTime.Nanoseconds(factor.LockTime), factor.ResetAskedBy, UnixTime.Nanoseconds(factor.ResetAskTime), factor.Revision, []);

        public byte[] Canonical() => RowMac.Row(Name).AddString(Principal).AddBytes(Seed).AddInt64(State).AddInt64(OfferedAt).AddInt64(ActivatedAt)
            .AddInt64(LastStep).AddInt64(Failures).AddInt64(LockedAt).AddString(ResetAskedBy).AddInt64(ResetAskedAt).AddInt64(Revision).ToArray();

        public SecondFactor ToFactor() => new()
        {
            Principal = Principal,
            Seed = Seed,
            State = (SecondFactorState)State,
            OfferTime = UnixTime.FromNanoseconds(OfferedAt),
            ActivateTime = UnixTime.FromNanoseconds(ActivatedAt),
            LastStep = LastStep,
            Failures = Failures,
            LockTime = UnixTime.FromNanoseconds(LockedAt),
            ResetAskedBy = ResetAskedBy,
            ResetAskTime = UnixTime.FromNanoseconds(ResetAskedAt),
            Revision = Revision,
        };
    }
}
